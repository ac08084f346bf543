package kinesisprotocol

// putAnswer reads an answer in JSON.
func (s *scanner) putAnswer(a *putAnswer) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.name()) {
		case "EncryptionType":
			a.encryption = s.encryptionType(a.encryption)
		case "FailedRecordCount":
			if !s.null() {
				failed := int32(s.count(9))
				a.failed = &failed
			}
		case "Records":
			if !s.null() {
				s.odd = s.odd || a.listed // a second list, which replaces the first
				a.listed = true
				s.results(a)
			}
		default:
			s.odd = true
		}
	}
}

func (s *scanner) results(a *putAnswer) {
	for more := s.open('[', ']'); more; more = s.more(']') {
		if length := a.again(s.page[s.at:]); length > 0 {
			s.at += length
		} else {
			s.result(a)
		}
	}
}

func (s *scanner) result(a *putAnswer) {
	start := s.at
	var number, shard place
	r := a.next()
	for more := s.open('{', '}'); more; more = s.more('}') {
		name := resultMember(s.name())
		if name == resultUnknown {
			s.odd = true
			return
		}
		if s.null() {
			continue
		}
		s.peek()
		from := s.at + 1
		text := s.string()
		if s.odd {
			return
		}
		a.member(r, name, text)
		switch at := (place{from - start, s.at - 1 - start}); name {
		case resultNumber:
			number = at
		case resultShard:
			shard = at
		}
	}
	if !s.odd {
		a.learn(r, s.page[start:s.at], number, shard)
	}
}
