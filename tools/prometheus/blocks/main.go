// Blocks writes blocks of Prometheus's storage, filled with series that a benchmark asks for: a month of samples in
// seconds, where scraping them would take a month.
//
//	blocks FOLDER < series.json
//
// One object a line: {"labels": {...}, "start": ms, "end": ms, "step": ms, "rise": n} is a counter that rises by about
// n a sample, the same way each time; with "value" instead of "rise" it is a gauge.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const block = 24 * 3600 * 1000

type series struct {
	Labels map[string]string `json:"labels"`
	Start  int64             `json:"start"`
	End    int64             `json:"end"`
	Step   int64             `json:"step"`
	Rise   float64           `json:"rise"`
	Value  *float64          `json:"value"`

	set    labels.Labels
	total  float64
	random uint64
}

// next is the sample at one step; counters rise by three quarters to five quarters of what was asked for.
func (s *series) next() float64 {
	if s.Value != nil {
		return *s.Value
	}
	s.random = s.random*6364136223846793005 + 1442695040888963407
	s.total += float64(int64(s.Rise * (0.75 + 0.5*float64(s.random>>40)/float64(1<<24))))
	return s.total
}

func read() ([]*series, error) {
	var all []*series
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		one := &series{}
		if err := json.Unmarshal(lines.Bytes(), one); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		one.set = labels.FromMap(one.Labels)
		one.random = uint64(len(all))
		all = append(all, one)
	}
	return all, lines.Err()
}

// write makes the block that begins at from.
func write(folder string, all []*series, from int64) (int64, error) {
	ctx := context.Background()
	// It takes samples from half of its range on; every series of ours begins at the start of the block.
	writer, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), folder, 2*block)
	if err != nil {
		return 0, err
	}
	defer writer.Close()
	written := int64(0)
	for _, one := range all {
		appender := writer.Appender(ctx)
		ref := storage.SeriesRef(0)
		for ; one.Start < from+block && one.Start <= one.End; one.Start += one.Step {
			if ref, err = appender.Append(ref, one.set, one.Start, one.next()); err != nil {
				return 0, err
			}
			written++
		}
		if err := appender.Commit(); err != nil {
			return 0, err
		}
	}
	if written > 0 {
		_, err = writer.Flush(ctx)
	}
	return written, err
}

func run(folder string) (int64, error) {
	all, err := read()
	if err != nil || len(all) == 0 {
		return 0, err
	}
	first, last := all[0].Start, all[0].End
	for _, one := range all {
		first, last = min(first, one.Start), max(last, one.End)
	}
	total := int64(0)
	for from := first / block * block; from <= last; from += block {
		written, err := write(folder, all, from)
		if err != nil {
			return 0, err
		}
		total += written
	}
	return total, nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: blocks FOLDER < series.json")
		os.Exit(2)
	}
	total, err := run(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(total)
}
