// Benthos 4.27.0 as a peer of the keyed workloads: a stream of its own components, as its configuration says, and one
// processor of ours (sequences.go) where a program would do its work.
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	_ "github.com/benthosdev/benthos/v4/public/components/kafka"
	_ "github.com/benthosdev/benthos/v4/public/components/pure"
	"github.com/benthosdev/benthos/v4/public/service"
)

// Time the stream has to commit and close once everything is finished.
const stopWithin = 30 * time.Second

//go:embed counting.yaml waiting.yaml
var configurations embed.FS

// What an arm is told.
type arguments struct {
	workload string
	brokers  string
	topic    string
	group    string
	records  int64
	config   string
}

func parse() (arguments, error) {
	var told arguments
	flag.StringVar(&told.workload, "workload", "", "counting or waiting")
	flag.StringVar(&told.brokers, "brokers", "", "HOST:PORT of Kafka")
	flag.StringVar(&told.topic, "topic", "", "what is read, from its beginning")
	flag.StringVar(&told.group, "group", "", "a consumer group that has committed nothing yet")
	flag.Int64Var(&told.records, "records", 0, "how many the topic holds")
	flag.Int64("keys", 0, "taken as every arm takes it, and not needed")
	flag.StringVar(&told.config, "config", "", "a configuration in place of the workload's own, for what was tried")
	flag.Parse()
	if flag.NArg() > 0 {
		return told, fmt.Errorf("%s is not an option", flag.Arg(0))
	}
	for _, needed := range []string{"brokers", "topic", "group"} {
		if flag.Lookup(needed).Value.String() == "" {
			return told, fmt.Errorf("--%s is missing", needed)
		}
	}
	if told.workload != "counting" && told.workload != "waiting" {
		return told, fmt.Errorf("--workload is counting or waiting")
	}
	if told.records <= 0 {
		return told, fmt.Errorf("--records must be at least 1")
	}
	return told, nil
}

func (told arguments) configuration() (string, error) {
	if told.config != "" {
		text, err := os.ReadFile(told.config)
		return string(text), err
	}
	text, err := configurations.ReadFile(told.workload + ".yaml")
	return string(text), err
}

// The values of `${NAME}` in a configuration: what the arm was told, then the environment.
func (told arguments) variable(name string) (string, bool) {
	switch name {
	case "BROKERS":
		return told.brokers, true
	case "TOPIC":
		return told.topic, true
	case "GROUP":
		return told.group, true
	}
	return os.LookupEnv(name)
}

func run(told arguments) (string, error) {
	tally := newTally(told.records)
	if err := tally.register(); err != nil {
		return "", err
	}
	configuration, err := told.configuration()
	if err != nil {
		return "", err
	}
	builder := service.NewStreamBuilder()
	// Standard output is for the report.
	builder.SetLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	builder.SetEnvVarLookupFunc(told.variable)
	if err := builder.SetYAML(configuration); err != nil {
		return "", err
	}
	stream, err := builder.Build()
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(context.Background()) }()
	select {
	case err := <-ended:
		return "", fmt.Errorf("the stream ended before all records were finished: %v", err)
	case err := <-tally.failure:
		return "", fmt.Errorf("a record is no event: %w", err)
	case report := <-tally.report:
		return report, stream.StopWithin(stopWithin)
	}
}

func main() {
	told, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	report, err := run(told)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Println(report)
}
