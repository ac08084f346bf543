package redislease

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// What stands around the name of a group in the key of its leases. The braces
// keep the key on one node of a cluster.
const (
	keyPrefix = "kinetrail:{"
	keySuffix = "}:leases"
)

// Groups returns the names of the groups with leases in the database of client,
// sorted. It looks through all keys, in portions, on every primary of a cluster.
func Groups(ctx context.Context, client redis.UniversalClient) ([]string, error) {
	var mu sync.Mutex
	found := make(map[string]bool)
	scan := func(ctx context.Context, node redis.Cmdable) error {
		keys := node.Scan(ctx, 0, keyPrefix+"*"+keySuffix, 1000).Iterator()
		for keys.Next(ctx) {
			mu.Lock()
			found[strings.TrimSuffix(strings.TrimPrefix(keys.Val(), keyPrefix), keySuffix)] = true
			mu.Unlock()
		}
		return keys.Err()
	}
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
	} else {
		err = scan(ctx, client)
	}
	if err != nil {
		return nil, fmt.Errorf("look for groups: %w", judge(err))
	}
	var groups []string
	for group := range found {
		groups = append(groups, group)
	}
	slices.Sort(groups)
	return groups, nil
}
