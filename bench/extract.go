package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// folded takes what the observations of a store fold to.
type folded interface {
	segment(k metering.ResourceKey, s *metering.Segment, before, after metering.Minute) error
	daySum(k metering.ResourceKey, s *metering.DaySum) error
}

// extractor folds a store's observations, straight from the disk, with the fold
// of the domain but without the ledger's columns and without its delta.
type extractor struct {
	to      folded
	sources map[layout.SourceNumber]string
	of      metering.ResourceKey
	states  []metering.State
	day     metering.Day
	windows []metering.Window
}

// extract reads a store that no server has open.
func extract(store string, to folded) error {
	db, err := pebble.Open(filepath.Join(store, "observations"), &pebble.Options{ReadOnly: true, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	if err != nil {
		return err
	}
	e := &extractor{to: to, sources: map[layout.SourceNumber]string{}}
	err = eachPair(db, layout.Sources, func(key, value []byte) error {
		n, err := layout.SeqOfKey(key)
		e.sources[layout.SourceNumber(n)] = string(value)
		return err
	})
	if err == nil {
		err = errors.Join(eachObservation(db, layout.States, e.state), e.foldStates())
	}
	if err == nil {
		err = errors.Join(eachObservation(db, layout.Quantities, e.quantity), e.foldDay())
	}
	return errors.Join(err, db.Close())
}

func eachPair(db *pebble.DB, prefix byte, each func(key, value []byte) error) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = each(it.Key(), value)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// eachObservation hands over what was not retracted: a mark stands right behind
// the observation that it is about.
func eachObservation(db *pebble.DB, prefix byte, each func(*layout.Stored) error) error {
	var heldKey []byte
	var held *layout.Stored
	release := func() error {
		if held == nil {
			return nil
		}
		o := held
		held = nil
		return each(o)
	}
	err := eachPair(db, prefix, func(key, value []byte) error {
		if held != nil && layout.IsMarkOf(key, heldKey) {
			held = nil
			return nil
		}
		if err := release(); err != nil {
			return err
		}
		o, err := layout.Decode(key, value)
		if err != nil {
			return fmt.Errorf("observation at %x: %w", key, err)
		}
		held, heldKey = o, append(heldKey[:0], key...)
		return nil
	})
	return errors.Join(err, release())
}

func (e *extractor) state(o *layout.Stored) error {
	if o.Resource != e.of {
		if err := e.foldStates(); err != nil {
			return err
		}
		e.of = o.Resource
	}
	s := metering.State{At: o.Time, Sequence: o.Sequence, Source: e.sources[o.Source], ID: o.Name.ID}
	if !o.Deleted {
		s.Is = &metering.Description{Meter: o.Meter, Multiplier: o.Multiplier, Attributes: o.Attributes}
	}
	e.states = append(e.states, s)
	return nil
}

// foldStates tells the segments of the resource in hand, each with the end of the
// segment of the same meter before it and the start of the one after it.
func (e *extractor) foldStates() error {
	segments := metering.FoldStates(e.states).Segments
	e.states = e.states[:0]
	for i := range segments {
		s := &segments[i]
		before, after := metering.Minute(0), metering.Open
		for j := range segments[:i] {
			if segments[j].Is.Meter == s.Is.Meter {
				before = segments[j].To
			}
		}
		for j := len(segments) - 1; j > i; j-- {
			if segments[j].Is.Meter == s.Is.Meter {
				after = segments[j].From
			}
		}
		if err := e.to.segment(e.of, s, before, after); err != nil {
			return err
		}
	}
	return nil
}

func (e *extractor) quantity(o *layout.Stored) error {
	if o.Resource != e.of || o.From.Day() != e.day {
		if err := e.foldDay(); err != nil {
			return err
		}
		e.of, e.day = o.Resource, o.From.Day()
	}
	e.windows = append(e.windows, metering.Window{
		From: o.From, To: o.To, At: o.Time, Quantity: o.Quantity,
		Source: e.sources[o.Source], ID: o.Name.ID, Meter: o.Meter, Attributes: &o.Attributes,
	})
	return nil
}

func (e *extractor) foldDay() error {
	sums := metering.FoldDay(e.day, e.windows)
	e.windows = e.windows[:0]
	for i := range sums {
		if err := e.to.daySum(e.of, &sums[i]); err != nil {
			return err
		}
	}
	return nil
}
