package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/benthosdev/benthos/v4/public/service"
)

// What all processors of the stream keep together: the next sequence of each key, and time and CPU of the whole
// process from the first record to the last.
type tally struct {
	records int64
	// Gets the line to print last when every record is finished.
	report chan string
	// Gets what is wrong with a record: the stream itself would pass over it, and the run would never end.
	failure chan error

	lock       sync.Mutex
	next       map[string]int64
	finished   int64
	outOfOrder int64
	begun      time.Time
	begunCPU   time.Duration
}

func newTally(records int64) *tally {
	return &tally{
		records: records,
		report:  make(chan string, 1),
		failure: make(chan error, 1),
		next:    make(map[string]int64),
	}
}

// Makes the processor `sequences` known, in which records are finished. With `wait` each waits for that long, one after
// the other of a batch; other batches go on meanwhile, in other threads of the pipeline.
func (t *tally) register() error {
	spec := service.NewConfigSpec().Field(service.NewDurationField("wait").Default("0s"))
	return service.RegisterBatchProcessor("sequences", spec,
		func(config *service.ParsedConfig, _ *service.Resources) (service.BatchProcessor, error) {
			wait, err := config.FieldDuration("wait")
			return sequences{tally: t, wait: wait}, err
		})
}

type sequences struct {
	tally *tally
	wait  time.Duration
}

func (s sequences) ProcessBatch(ctx context.Context, batch service.MessageBatch) ([]service.MessageBatch, error) {
	s.tally.begin()
	for _, message := range batch {
		key, sequence, err := parseEvent(message)
		if err != nil {
			s.tally.fail(err)
			return nil, err
		}
		if s.wait > 0 {
			s.tally.expectBefore(key, sequence)
			select {
			case <-time.After(s.wait):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		s.tally.finish(key, sequence)
	}
	return []service.MessageBatch{batch}, nil
}

func (s sequences) Close(context.Context) error { return nil }

// A record's value. `sequence` counts from 0 for each key, in the order of the log.
type event struct {
	Type     string `json:"type"`
	Sequence int64  `json:"sequence"`
	Key      string `json:"key"`
	TenantID string `json:"tenantId"`
	Content  string `json:"content"`
}

func parseEvent(message *service.Message) (key string, sequence int64, err error) {
	value, err := message.AsBytes()
	if err != nil {
		return "", 0, err
	}
	var parsed event
	if err := json.Unmarshal(value, &parsed); err != nil {
		return "", 0, err
	}
	return parsed.Key, parsed.Sequence, nil
}

// The first record is there.
func (t *tally) begin() {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.begun.IsZero() {
		t.begun, t.begunCPU = time.Now(), cpuOfThisProcess()
	}
}

// A record begins to wait: the one before it with its key must have finished.
func (t *tally) expectBefore(key string, sequence int64) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.next[key] != sequence {
		t.outOfOrder++
	}
}

// All that had to be done with a record is done.
func (t *tally) finish(key string, sequence int64) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.next[key] != sequence {
		t.outOfOrder++
	}
	t.next[key] = sequence + 1
	t.finished++
	if t.finished == t.records {
		t.report <- fmt.Sprintf(
			`{"records":%d,"keys":%d,"out_of_order":%d,"seconds":%.6f,"cpu_seconds":%.6f}`,
			t.finished, len(t.next), t.outOfOrder,
			time.Since(t.begun).Seconds(), (cpuOfThisProcess() - t.begunCPU).Seconds())
	}
}

// Only the first one counts.
func (t *tally) fail(err error) {
	select {
	case t.failure <- err:
	default:
	}
}

// User and system time of all threads.
func cpuOfThisProcess() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
