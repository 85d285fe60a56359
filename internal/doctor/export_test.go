package doctor

import "github.com/freshlist/freshlist/internal/rediscache"

// What no server at hand can be brought to say.
var (
	JudgeVersion = judgeVersion
	JudgeQueue   = judgeQueue
)

func JudgeRedisVersion(version string) Finding {
	return redisVersion(rediscache.ServerState{Name: "Redis", Version: version})
}
