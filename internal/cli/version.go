package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// build says what the running program was made from.
type build struct {
	version  string // of the module, "devel" when it was built from a working copy
	revision string // of the version control, "" when unknown
	modified bool   // the working copy had changes
}

func readBuild() build {
	b := build{version: "devel"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	text := b.version
	if b.revision != "" {
		text += " (" + b.revision
		if b.modified {
			text += ", modified"
		}
		text += ")"
	}
	return text
}

// versionLine is what "meterbook version" and "meterbook --version" print.
func versionLine() string {
	return fmt.Sprintf("meterbook %s, %s, %s/%s\n", readBuild(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// newBuildInfo is a metric whose labels say what runs.
func newBuildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "meterbook_build_info", Help: "Always 1; the labels say which program runs.",
		ConstLabels: prometheus.Labels{"version": readBuild().version, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  meterbook version",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}
