package dynamolease

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// This file evaluates condition and update expressions as DynamoDB does, as far
// as this package sends them: comparisons for equality, attribute_exists and
// attribute_not_exists, AND, OR, NOT and parentheses; SET, REMOVE and ADD of
// attributes at the top of a row. Whatever else is an error. The test in
// difference_test.go holds it against DynamoDB Local.

// evaluation is one expression over one row.
type evaluation struct {
	row    item
	values values
	used   map[string]bool // of values
	tokens []string
	err    error
}

// tokenize cuts an expression into names, values, signs and parentheses.
func tokenize(expression string) []string {
	for _, sign := range []string{"(", ")", ",", "<>", "="} {
		expression = strings.ReplaceAll(expression, sign, " "+sign+" ")
	}
	return strings.Fields(strings.ReplaceAll(expression, "<  >", "<>"))
}

// holds evaluates a condition; a row that does not exist is empty.
func holds(condition string, row item, values values) (result bool, used map[string]bool, err error) {
	e := &evaluation{row: row, values: values, used: make(map[string]bool), tokens: tokenize(condition)}
	result = e.or()
	if e.err == nil && len(e.tokens) > 0 {
		e.fail("%q is left over", e.tokens)
	}
	return result, e.used, e.err
}

func (e *evaluation) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("invalid expression: "+format, args...)
	}
	e.tokens = nil
}

func (e *evaluation) peek() string {
	if len(e.tokens) == 0 {
		return ""
	}
	return e.tokens[0]
}

func (e *evaluation) next() string {
	token := e.peek()
	if token == "" {
		e.fail("it ends too early")
		return ""
	}
	e.tokens = e.tokens[1:]
	return token
}

func (e *evaluation) accept(token string) bool {
	if e.peek() != token {
		return false
	}
	e.tokens = e.tokens[1:]
	return true
}

func (e *evaluation) expect(token string) {
	if !e.accept(token) {
		e.fail("%q where %q should be", e.peek(), token)
	}
}

func (e *evaluation) or() bool {
	result := e.and()
	for e.accept("OR") {
		result = e.and() || result
	}
	return result
}

func (e *evaluation) and() bool {
	result := e.not()
	for e.accept("AND") {
		result = e.not() && result
	}
	return result
}

func (e *evaluation) not() bool {
	if e.accept("NOT") {
		return !e.not()
	}
	if e.accept("(") {
		result := e.or()
		e.expect(")")
		return result
	}
	if e.accept("attribute_exists") {
		return e.exists()
	}
	if e.accept("attribute_not_exists") {
		return !e.exists()
	}
	left := e.operand()
	e.expect("=")
	right := e.operand()
	return left != nil && right != nil && equal(left, right)
}

func (e *evaluation) exists() bool {
	e.expect("(")
	_, exists := e.row[e.name()]
	e.expect(")")
	return exists
}

func (e *evaluation) name() string {
	name := e.next()
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			e.fail("%q is no name of an attribute", name)
			return ""
		}
	}
	return name
}

// operand is the value of a name, nil when the row has no such attribute, or one
// of the values.
func (e *evaluation) operand() types.AttributeValue {
	if !strings.HasPrefix(e.peek(), ":") {
		return e.row[e.name()]
	}
	name := e.next()
	value, ok := e.values[name]
	if !ok {
		e.fail("the value %s is not defined", name)
	}
	e.used[name] = true
	return value
}

// updated applies an update and returns the new row.
func updated(expression string, row item, values values) (result item, used map[string]bool, err error) {
	e := &evaluation{row: row, values: values, used: make(map[string]bool), tokens: tokenize(expression)}
	result = maps.Clone(row)
	touched := make(map[string]bool)
	touch := func() string {
		name := e.name()
		if touched[name] {
			e.fail("%s is changed twice", name)
		}
		touched[name] = true
		return name
	}
	for e.err == nil && len(e.tokens) > 0 {
		clause := e.next()
		for more := true; more && e.err == nil; more = e.accept(",") {
			name := touch()
			switch clause {
			case "SET":
				e.expect("=")
				if value := e.operand(); value == nil {
					e.fail("%s is set to an attribute that is not there", name)
				} else {
					result[name] = value
				}
			case "REMOVE":
				delete(result, name)
			case "ADD":
				result[name] = e.sum(row[name], e.operand())
			default:
				e.fail("unknown clause %q", clause)
			}
		}
	}
	return result, e.used, e.err
}

// sum adds numbers; an attribute that is not there counts as 0.
func (e *evaluation) sum(have, add types.AttributeValue) types.AttributeValue {
	if have == nil {
		return add
	}
	a, aIsNumber := have.(*types.AttributeValueMemberN)
	b, bIsNumber := add.(*types.AttributeValueMemberN)
	if !aIsNumber || !bIsNumber {
		e.fail("ADD needs numbers")
		return have
	}
	x, _ := new(big.Int).SetString(a.Value, 10)
	y, _ := new(big.Int).SetString(b.Value, 10)
	return &types.AttributeValueMemberN{Value: x.Add(x, y).String()}
}

// equal compares values of one type; sets have no order.
func equal(a, b types.AttributeValue) bool {
	if x, ok := a.(*types.AttributeValueMemberSS); ok {
		y, ok := b.(*types.AttributeValueMemberSS)
		return ok && slices.Equal(slices.Sorted(slices.Values(x.Value)), slices.Sorted(slices.Values(y.Value)))
	}
	return reflect.DeepEqual(a, b)
}

// equalRows compares rows attribute by attribute.
func equalRows(a, b item) bool {
	return maps.EqualFunc(a, b, equal)
}
