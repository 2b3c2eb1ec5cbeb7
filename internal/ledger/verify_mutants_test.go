package ledger_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/layout"
)

// mutant is a store in which one pair, or one byte, is another.
type mutant struct {
	name string
	harm func(*broken)
}

// pairs returns the pairs under a prefix that count: that verify looks into, or
// others would contradict.
func (b *broken) pairs(prefix byte) (all [][2][]byte) {
	b.each(prefix, func(key, value []byte) bool {
		handMade := (prefix == layout.Projects || prefix == layout.Regions) && !seen(key, value)
		if !handMade {
			all = append(all, [2][]byte{key, value})
		}
		return true
	})
	return all
}

// some returns the first, the last and what stands in the middle, under the race
// detector the first.
func some[T any](all []T) []T {
	if raceShare > 1 {
		return all[:min(len(all), 1)]
	}
	if len(all) < 3 {
		return all
	}
	return []T{all[0], all[len(all)/2], all[len(all)-1]}
}

// mutants harms pairs of a kind: each is removed, cut, lengthened, moved.
func mutants(b *broken, prefix byte) (all []mutant) {
	for _, p := range some(b.pairs(prefix)) {
		key, value := p[0], p[1]
		add := func(what string, harm func(*broken)) {
			all = append(all, mutant{fmt.Sprintf("%s %x", what, key), harm})
		}
		add("remove", func(b *broken) { b.remove(key) })
		moved := slices.Clone(key)
		moved[len(moved)-1] ^= 1
		if prefix != layout.Journal { // whose numbers only say that they are behind the base; twice the same does no harm
			add("move", func(b *broken) { b.remove(key); b.set(moved, value) })
			add("copy", func(b *broken) { b.set(moved, value) })
		}
		if prefix == layout.Sources { // any text is a source's name
			continue
		}
		add("lengthen", func(b *broken) { b.set(key, append(slices.Clone(value), 7)) })
		if len(value) > 0 {
			add("cut", func(b *broken) { b.set(key, value[:len(value)-1]) })
			add("empty", func(b *broken) { b.set(key, nil) })
		}
	}
	return all
}

// TestVerifyNoticesEveryKindOfPairThatIsHarmed harms a store that was left by a
// crash, so that there is a journal.
func TestVerifyNoticesEveryKindOfPairThatIsHarmed(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	l := playScript(t, 7, fs)
	cut := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	breakStore(t, cut, func(b *broken) { b.set([]byte("akey/1"), []byte("{}")) }) // whose values are not the ledger's
	wantClean(t, verifyAtRest(t, cut.CrashClone(vfs.CrashCloneCfg{})))
	var all []mutant
	breakStore(t, cut, func(b *broken) {
		for _, prefix := range []byte{layout.States, layout.Quantities, layout.Retractions, layout.IDs, layout.Journal, layout.Sources, layout.Projects, layout.Regions, layout.Meta} {
			of := mutants(b, prefix)
			if len(of) == 0 {
				t.Errorf("the store has no %q", prefix)
			}
			all = append(all, of...)
		}
	})
	for _, stranger := range []string{"\x00", "b", "mbasis", "zebra", "\xff\xff"} {
		all = append(all, mutant{fmt.Sprintf("add %q", stranger), func(b *broken) { b.set([]byte(stranger), nil) }})
	}
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			fs := cut.CrashClone(vfs.CrashCloneCfg{})
			breakStore(t, fs, m.harm)
			if v := verifyAtRest(t, fs); v.Total == 0 {
				t.Error("nobody noticed")
			}
		})
	}
}

// The header of a base file, see docs/format/base.md.
const (
	baseSections   = 33
	baseEntries    = 32
	baseHeaderSize = 832
)

// alterSection changes bytes of a section of a base file, and puts its checksums
// in order again.
func alterSection(data []byte, section int, change func([]byte)) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	entry := data[baseEntries+24*section:]
	at, length := binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint64(entry[8:])
	change(data[at : at+length])
	binary.LittleEndian.PutUint64(entry[16:], uint64(crc32.Checksum(data[at:at+length], castagnoli)))
	binary.LittleEndian.PutUint64(data[baseHeaderSize-8:], uint64(crc32.Checksum(data[:baseHeaderSize-8], castagnoli)))
}

// TestVerifyNoticesEverySectionOfTheBaseThatIsHarmed changes one byte at a time,
// with checksums that are right.
func TestVerifyNoticesEverySectionOfTheBaseThatIsHarmed(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	name := "store/" + derivedFile(t, k.fs, "base-")
	whole := readAll(t, k.fs, name)
	for section := range baseSections {
		var places []int
		alterSection(whole, section, func(s []byte) {
			for _, place := range some([]int{0, len(s) / 2, len(s) - 1}) {
				if section == 27 && place > 0 {
					continue // the first tag set is in use, later ones may be of what is gone
				}
				if section == 32 && place == 0 {
					place++ // which would say that there are windows that are not listed: to know less does no harm
				}
				if section == 0 {
					place -= place%32 - 8*(place%4) // its project, region, type or first resource: the last 4 bytes are not used
				}
				if len(s) > 0 && !slices.Contains(places, place) {
					places = append(places, place)
				}
			}
		})
		if len(places) == 0 {
			t.Errorf("section %d is empty", section)
		}
		for _, place := range places {
			t.Run(fmt.Sprintf("section %d byte %d", section, place), func(t *testing.T) {
				t.Parallel()
				fs, data := k.copy(), bytes.Clone(whole)
				alterSection(data, section, func(s []byte) { s[place] ^= 1 })
				writeAll(t, fs, name, data)
				if v := verifyAtRest(t, fs); v.Total == 0 {
					t.Error("nobody noticed")
				}
			})
		}
	}
}

// TestVerifyNoticesFiguresThatWereCondensedOtherwise changes figures of what a start
// lays over the base, with checksums that are right. What it folds anew, since more
// was told of it, it does not take from there.
func TestVerifyNoticesFiguresThatWereCondensedOtherwise(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	fixtureOfBase2().unpack(t, fs)
	name := "store/" + derivedFile(t, fs, "recent-")
	whole := readAll(t, fs, name)
	for section, width := range map[int]int{6: 4, 11: 8, 18: 8, 30: 4} { // ends, multipliers, sums, hidden boundaries
		noticed, elements := 0, 0
		alterSection(whole, section, func(s []byte) { elements = len(s) / width })
		if raceShare > 1 {
			elements = min(elements, 8)
		}
		for i := range elements {
			data := bytes.Clone(whole)
			alterSection(data, section, func(s []byte) { s[i*width] ^= 1 })
			writeAll(t, fs, name, data)
			if verifyAtRest(t, fs).Total > 0 {
				noticed++
			}
		}
		if 2*noticed < elements || elements == 0 {
			t.Errorf("of %d changed elements of section %d %d were noticed", elements, section, noticed)
		}
	}
}
