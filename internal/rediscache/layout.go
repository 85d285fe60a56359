package rediscache

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A value in Redis begins with a head of fixed width, in ASCII:
//
//	FL1 <build tag, 16> <generation, 32> <token of its fill, 32>\n
//
// then, of a queryset, its encoding; of a view:
//
//	<status, 3> <entity tag, 22> <length of the body, 8 hex digits>\n<body><gzip of the body>
const (
	magic        = "FL1 "
	buildWidth   = 16
	epochWidth   = 32
	tokenWidth   = 32
	generationAt = len(magic) + buildWidth + 1
	tokenAt      = generationAt + epochWidth + 1
	headWidth    = tokenAt + tokenWidth + 1

	statusWidth = 3
	tagWidth    = 22
	lengthWidth = 8
	tagAt       = headWidth + statusWidth + 1
	lengthAt    = tagAt + tagWidth + 1
	bodyAt      = lengthAt + lengthWidth + 1
)

// errOtherBuild: this build did not write the value. It is treated as missing.
var errOtherBuild = errors.New("not a value of this build")

// Token is the name of one attempt to fill one query: when it was made, in milliseconds since
// 1970, and random digits.
type Token string

// tokenTime is how many bytes of a token are its time. The others, 80 bits, are random.
const tokenTime = 6

// NewToken returns a token that no other attempt has.
func NewToken() Token {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(time.Now().UnixMilli()))
	return Token(hex.EncodeToString(at[8-tokenTime:]) + randomHex(tokenWidth/2-tokenTime))
}

// NewGenerations returns names for new generations, one for each partition.
func NewGenerations(partitions int) []string {
	names := make([]string, partitions)
	for p := range names {
		names[p] = NewEpoch()
	}
	return names
}

// NewEpoch returns a name for a new epoch, or a new generation of one partition.
func NewEpoch() string { return randomHex(epochWidth / 2) }

// randomHex returns 2n random hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// ValueHead is the head of every value of one fill: the build that wrote it, the
// generation of its partition, and the token of the fill.
type ValueHead struct {
	Build      string // 16 hexadecimal digits
	Generation string
	Token      Token
}

// text returns the head as it is stored.
func (s ValueHead) text() string {
	return magic + s.Build + " " + s.Generation + " " + string(s.Token) + "\n"
}

// parseHead reads the head of a value.
func parseHead(value string) (ValueHead, error) {
	if len(value) < headWidth || value[:len(magic)] != magic || value[headWidth-1] != '\n' {
		return ValueHead{}, errOtherBuild
	}
	return ValueHead{
		Build:      value[len(magic) : len(magic)+buildWidth],
		Generation: value[generationAt : generationAt+epochWidth],
		Token:      Token(value[tokenAt : tokenAt+tokenWidth]),
	}, nil
}

// View is a rendered response.
type View struct {
	Status int
	ETag   string // the entity tag of the body without coding, unquoted, 22 characters
	Body   string
	Gzip   string // the body compressed; empty if that would not pay
}

// encode returns the view's value.
func (v View) encode(s ValueHead) []byte {
	b := make([]byte, 0, bodyAt+len(v.Body)+len(v.Gzip))
	b = append(b, s.text()...)
	b = fmt.Appendf(b, "%03d %s %08x\n", v.Status, v.ETag, len(v.Body))
	b = append(b, v.Body...)
	return append(b, v.Gzip...)
}

// parseView reads what follows the head of a view. Body and Gzip are parts of
// value, not copies.
func parseView(value string) (View, error) {
	if len(value) < bodyAt || value[bodyAt-1] != '\n' {
		return View{}, errOtherBuild
	}
	status, err := strconv.Atoi(value[headWidth : headWidth+statusWidth])
	if err != nil {
		return View{}, errOtherBuild
	}
	length, err := strconv.ParseUint(value[lengthAt:lengthAt+lengthWidth], 16, 32)
	if err != nil || uint64(len(value)-bodyAt) < length {
		return View{}, errOtherBuild
	}
	end := bodyAt + int(length)
	return View{
		Status: status,
		ETag:   value[tagAt : tagAt+tagWidth],
		Body:   value[bodyAt:end],
		Gzip:   value[end:],
	}, nil
}
