package console

import (
	"container/list"
	"encoding/base64"
	"io"
	"sync"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// Limits of sessions.
const (
	sessionIDBytes = 32
	// maxSessions bounds memory; beyond it, the one that was idle for longest ends.
	maxSessions = 10_000
	// maxSessionsOfKey keeps the holder of one key from ending those of others.
	maxSessionsOfKey = 100
	sessionIdleMax   = 2 * time.Hour
	sessionAgeMax    = 12 * time.Hour
)

// sessionID is the secret that a browser keeps in its cookie.
type sessionID string

// session is one browser that has signed in.
type session struct {
	id    sessionID
	token string     // of the key; it goes nowhere but to the API
	key   client.Key // as it was when it was asked for
	asked metering.Instant
	began metering.Instant
	used  metering.Instant
	made  *client.CreatedKey // until its token was shown; nil: none
}

// sessions are those that are in force. It is safe for concurrent use; what it
// returns are copies.
type sessions struct {
	clock  func() metering.Instant
	random io.Reader
	mu     struct {
		sync.Mutex
		byID map[sessionID]*list.Element
		idle *list.List // of *session, the one that was used last in front
	}
}

func newSessions(clock func() metering.Instant, random io.Reader) *sessions {
	s := &sessions{clock: clock, random: random}
	s.mu.byID, s.mu.idle = map[sessionID]*list.Element{}, list.New()
	return s
}

// begin makes a session for a key that the API has just accepted.
func (s *sessions) begin(token string, key *client.Key) session {
	raw := make([]byte, sessionIDBytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.random, raw); err != nil {
		metering.Bug("the source of randomness is exhausted: %v", err)
	}
	now := s.clock()
	fresh := &session{id: sessionID(base64.RawURLEncoding.EncodeToString(raw)), token: token, key: *key, asked: now, began: now, used: now}
	s.makeRoomLocked(key.ID)
	s.mu.byID[fresh.id] = s.mu.idle.PushFront(fresh)
	return *fresh
}

// makeRoomLocked ends the sessions that have expired, and where the limits ask
// for it the one that was idle for longest: of all, or of the key.
func (s *sessions) makeRoomLocked(key string) {
	now, ofKey := s.clock(), 0
	var oldestOfKey *list.Element
	for e := s.mu.idle.Front(); e != nil; {
		next, held := e.Next(), e.Value.(*session)
		switch {
		case held.expired(now):
			s.dropLocked(e)
		case held.key.ID == key:
			ofKey, oldestOfKey = ofKey+1, e
		}
		e = next
	}
	if ofKey >= maxSessionsOfKey {
		s.dropLocked(oldestOfKey)
	}
	if s.mu.idle.Len() >= maxSessions {
		s.dropLocked(s.mu.idle.Back())
	}
}

func (s *sessions) dropLocked(e *list.Element) {
	delete(s.mu.byID, s.mu.idle.Remove(e).(*session).id)
}

func (h *session) expired(now metering.Instant) bool {
	return now-h.used >= metering.Instant(sessionIdleMax) || now-h.began >= metering.Instant(sessionAgeMax)
}

// use returns the session and notes that it was used, unless it has ended.
func (s *sessions) use(id sessionID) (held session, inForce bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.byID[id]
	if e == nil {
		return session{}, false
	}
	found, now := e.Value.(*session), s.clock()
	if found.expired(now) {
		s.dropLocked(e)
		return session{}, false
	}
	found.used = now
	s.mu.idle.MoveToFront(e)
	return *found, true
}

// renew keeps what the API now says of the session's key.
func (s *sessions) renew(id sessionID, key *client.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.byID[id]; e != nil {
		held := e.Value.(*session)
		held.key, held.asked = *key, s.clock()
	}
}

// keep holds a key that was just made until its token is shown.
func (s *sessions) keep(id sessionID, made *client.CreatedKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.byID[id]; e != nil {
		e.Value.(*session).made = made
	}
}

// takeMade returns the key that was made last, and forgets it; nil: there is none.
func (s *sessions) takeMade(id sessionID) *client.CreatedKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.mu.byID[id]
	if e == nil {
		return nil
	}
	held := e.Value.(*session)
	made := held.made
	held.made = nil
	return made
}

// end ends a session.
func (s *sessions) end(id sessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.byID[id]; e != nil {
		s.dropLocked(e)
	}
}
