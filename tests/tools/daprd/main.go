// Program daprd is the Dapr runtime for this project's tests: the real one, with only the components
// that a test names, so that it builds in minutes and needs no C compiler.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/dapr/dapr/cmd/daprd/options"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/runtime"
	"github.com/dapr/dapr/pkg/runtime/registry"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
)

func main() {
	// A changed Resiliency file makes the runtime signal itself; a test never wants that restart.
	signal.Ignore(syscall.SIGHUP)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "daprd:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. The runtime wants a security handler even where mTLS is off, and that
// handler runs beside it.
func run(ctx context.Context, arguments []string) error {
	flags, err := options.New(arguments)
	if err != nil {
		return fmt.Errorf("reading the flags: %w", err)
	}
	flags.Logger.SetAppID(flags.AppID)
	if err := logger.ApplyOptionsToLoggers(&flags.Logger); err != nil {
		return fmt.Errorf("setting up the log: %w", err)
	}
	log := logger.NewLogger("daprd.test")
	register(log)

	health := healthz.New()
	provider, err := security.New(ctx, security.Options{
		AppID:                   flags.AppID,
		ControlPlaneNamespace:   flags.ControlPlaneNamespace,
		ControlPlaneTrustDomain: flags.ControlPlaneTrustDomain,
		Healthz:                 health,
		MTLSEnabled:             flags.EnableMTLS,
		Mode:                    modes.DaprMode(flags.Mode),
		SentryAddress:           flags.SentryAddress,
		JwtAudiences:            flags.SentryRequestJwtAudiences,
		TrustAnchors:            flags.TrustAnchors,
	})
	if err != nil {
		return fmt.Errorf("setting up security: %w", err)
	}
	serve := func(ctx context.Context) error {
		handler, err := provider.Handler(ctx)
		if err != nil {
			return err
		}
		config := configuration(flags)
		config.Healthz, config.Security = health, handler
		config.Metrics = metrics.Options{
			Enabled:       flags.Metrics.Enabled(),
			Healthz:       health,
			ListenAddress: flags.Metrics.ListenAddress(),
			Log:           log,
			Namespace:     metrics.DefaultMetricNamespace,
			Port:          flags.Metrics.Port(),
		}
		daprd, err := runtime.FromConfig(ctx, config)
		if err != nil {
			return fmt.Errorf("configuring the runtime: %w", err)
		}
		return daprd.Run(ctx)
	}
	return concurrency.NewRunnerManager(provider.Run, serve).Run(ctx)
}

// configuration carries the flags over, as the stock program does.
func configuration(flags *options.Options) *runtime.Config {
	return &runtime.Config{
		ActorsService:                 flags.ActorsService,
		AllowedOrigins:                flags.AllowedOrigins,
		AppChannelAddress:             flags.AppChannelAddress,
		AppHealthCheckPath:            flags.AppHealthCheckPath,
		AppHealthProbeInterval:        flags.AppHealthProbeInterval,
		AppHealthProbeTimeout:         flags.AppHealthProbeTimeout,
		AppHealthThreshold:            flags.AppHealthThreshold,
		AppID:                         flags.AppID,
		AppMaxConcurrency:             flags.AppMaxConcurrency,
		AppProtocol:                   flags.AppProtocol,
		ApplicationPort:               flags.AppPort,
		Config:                        flags.Config,
		ControlPlaneAddress:           flags.ControlPlaneAddress,
		DaprAPIGRPCPort:               flags.DaprAPIGRPCPort,
		DaprAPIListenAddresses:        flags.DaprAPIListenAddresses,
		DaprBlockShutdownDuration:     flags.DaprBlockShutdownDuration,
		DaprGracefulShutdownSeconds:   flags.DaprGracefulShutdownSeconds,
		DaprHTTPPort:                  flags.DaprHTTPPort,
		DaprInternalGRPCListenAddress: flags.DaprInternalGRPCListenAddress,
		DaprInternalGRPCPort:          flags.DaprInternalGRPCPort,
		DaprPublicListenAddress:       flags.DaprPublicListenAddress,
		DaprPublicPort:                flags.DaprPublicPort,
		DisableBuiltinK8sSecretStore:  flags.DisableBuiltinK8sSecretStore,
		DisableInitEndpoints:          flags.DisableInitEndpoints,
		EnableAPILogging:              flags.EnableAPILogging,
		EnableAppHealthCheck:          flags.EnableAppHealthCheck,
		EnableMTLS:                    flags.EnableMTLS,
		MaxRequestSize:                flags.MaxRequestSize,
		Mode:                          flags.Mode,
		ProfilePort:                   flags.ProfilePort,
		ReadBufferSize:                flags.ReadBufferSize,
		Registry:                      registry.NewOptions(),
		ResourcesPath:                 flags.ResourcesPath,
		SchedulerAddress:              flags.SchedulerAddress,
		SchedulerStreams:              flags.SchedulerJobStreams,
		SentryAddress:                 flags.SentryAddress,
		UnixDomainSocket:              flags.UnixDomainSocket,
	}
}
