package doctor

import "github.com/freshlist/freshlist/internal/cache"

// What no server at hand can be brought to say.
var (
	JudgeVersion = judgeVersion
	JudgeQueue   = judgeQueue
)

func JudgeRedisVersion(version string) Finding {
	return redisVersion(cache.Inspection{Version: version})
}
