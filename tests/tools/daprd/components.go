package main

import (
	lockredis "github.com/dapr/components-contrib/lock/redis"
	"github.com/dapr/components-contrib/nameresolution/kubernetes"
	"github.com/dapr/components-contrib/nameresolution/nameformat"
	pubsubmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	pubsubrabbitmq "github.com/dapr/components-contrib/pubsub/rabbitmq"
	pubsubredis "github.com/dapr/components-contrib/pubsub/redis"
	secretsfile "github.com/dapr/components-contrib/secretstores/local/file"
	statememory "github.com/dapr/components-contrib/state/in-memory"
	stateredis "github.com/dapr/components-contrib/state/redis"
	statesqlite "github.com/dapr/components-contrib/state/sqlite"
	"github.com/dapr/dapr/pkg/components/lock"
	"github.com/dapr/dapr/pkg/components/nameresolution"
	"github.com/dapr/dapr/pkg/components/pubsub"
	"github.com/dapr/dapr/pkg/components/secretstores"
	"github.com/dapr/dapr/pkg/components/state"
	"github.com/dapr/kit/logger"
)

// register makes the components known that a test may name in a Component file.
func register(log logger.Logger) {
	state.DefaultRegistry.Logger = log
	state.DefaultRegistry.RegisterComponent(statememory.NewInMemoryStateStore, "in-memory")
	state.DefaultRegistry.RegisterComponent(stateredis.NewRedisStateStore, "redis")
	state.DefaultRegistry.RegisterComponent(statesqlite.NewSQLiteStateStore, "sqlite")

	pubsub.DefaultRegistry.Logger = log
	pubsub.DefaultRegistry.RegisterComponent(pubsubmemory.New, "in-memory")
	pubsub.DefaultRegistry.RegisterComponent(pubsubredis.NewRedisStreams, "redis")
	pubsub.DefaultRegistry.RegisterComponent(pubsubrabbitmq.NewRabbitMQ, "rabbitmq")

	lock.DefaultRegistry.Logger = log
	lock.DefaultRegistry.RegisterComponent(lockredis.NewStandaloneRedisLock, "redis")

	secretstores.DefaultRegistry.Logger = log
	secretstores.DefaultRegistry.RegisterComponent(secretsfile.NewLocalSecretStore, "local.file")

	nameresolution.DefaultRegistry.Logger = log
	nameresolution.DefaultRegistry.RegisterComponent(nameformat.NewResolver, "nameformat")
	nameresolution.DefaultRegistry.RegisterComponent(kubernetes.NewResolver, "kubernetes")
}
