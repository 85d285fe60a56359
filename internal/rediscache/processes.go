package rediscache

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// processLife is how long the row of a process stays after it was written last.
const processLife = 5 * time.Second

// forgetProcess is how long a process that writes no row stays in the list of them.
const forgetProcess = time.Hour

// WriteProcess writes the row of an API process.
func WriteProcess(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, row activity.Process) error {
	body, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("write the row of a process: %w", err)
	}
	servers := serversOf(rdb, space)
	at, err := servers.of(ctx, 0)
	if err != nil {
		return err
	}
	pipe := at.Pipeline()
	pipe.Set(ctx, space.Process(row.ID), body, processLife)
	pipe.ZAdd(ctx, space.Processes(), redis.Z{Score: float64(row.At.UnixMilli()), Member: row.ID})
	if _, err := pipe.Exec(ctx); err != nil {
		return failed("write the row of a process", err)
	}
	return nil
}

// ReadProcesses returns the rows of the API processes, in no order.
func ReadProcesses(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space) ([]activity.Process, error) {
	servers := serversOf(rdb, space)
	at, err := servers.of(ctx, 0)
	if err != nil {
		return nil, err
	}
	listed, err := at.ZRangeWithScores(ctx, space.Processes(), 0, -1).Result()
	if err != nil {
		return nil, failed("list the processes", err)
	}
	if len(listed) == 0 {
		return nil, nil
	}
	keys := make([]string, len(listed))
	for i, z := range listed {
		id, _ := z.Member.(string)
		keys[i] = space.Process(id)
	}
	rows, err := at.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, failed("read the rows of the processes", err)
	}
	var found []activity.Process
	var gone []any
	for i, row := range rows {
		text, there := row.(string)
		var p activity.Process
		switch {
		case there && json.Unmarshal([]byte(text), &p) == nil:
			found = append(found, p)
		case !there && time.Since(time.UnixMilli(int64(listed[i].Score))) > forgetProcess:
			gone = append(gone, listed[i].Member)
		}
	}
	if len(gone) > 0 {
		_ = at.ZRem(ctx, space.Processes(), gone...) // whoever may not do so reads some lines in vain
	}
	return found, nil
}
