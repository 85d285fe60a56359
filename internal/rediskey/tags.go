package rediskey

import "sync"

// slots is how many hash slots a Redis Cluster has.
const slots = 16384

// tagsOf has the tags of the partitions by their number, once somebody has asked.
var tagsOf sync.Map // int -> []string

// tags returns what stands in braces for each of n partitions in a cluster: its number, and a
// letter or more such that its slot lies in the middle half of its n-th part of all slots.
// Masters have about equal runs of slots as a rule, so each gets about as many partitions. The
// bare numbers would leave half of eight masters without any.
func tags(n int) []string {
	if known, ok := tagsOf.Load(n); ok {
		return known.([]string)
	}
	all := make([]string, n)
	for p := range all {
		all[p] = tag(p, n)
	}
	tagsOf.Store(n, all)
	return all
}

// tag returns the first tag of a partition, in alphabetical order by length, that fits.
func tag(p, n int) string {
	number := string(appendNumber(nil, p))
	for letters := []string{""}; ; {
		var longer []string
		for _, some := range letters {
			if at := 4*n*slot(number+some) - 4*slots*p; at >= slots && at < 3*slots {
				return number + some
			}
			for letter := 'a'; letter <= 'z'; letter++ {
				longer = append(longer, some+string(letter))
			}
		}
		letters = longer
	}
}

// slot returns the hash slot of a tag: its CRC16 (XMODEM), modulo the number of slots.
func slot(tag string) int {
	crc := uint16(0)
	for _, b := range []byte(tag) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
