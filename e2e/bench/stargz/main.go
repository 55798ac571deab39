// The daemon of the stargz snapshotter, out of its own library: its command is in a Go module that was never published.
package main

import (
	"context"
	"flag"
	"net"
	"os"
	"os/signal"
	"syscall"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/contrib/snapshotservice"
	"github.com/containerd/log"
	"github.com/containerd/stargz-snapshotter/service"
	"github.com/containerd/stargz-snapshotter/service/keychain/dockerconfig"
	"google.golang.org/grpc"
)

func main() {
	address := flag.String("address", "", "the unix socket to listen on")
	root := flag.String("root", "", "the folder for snapshots and caches")
	flag.Parse()
	ctx := context.Background()

	snapshotter, err := service.NewStargzSnapshotterService(ctx, *root, &service.Config{},
		service.WithCredsFuncs(dockerconfig.NewDockerconfigKeychain(ctx)))
	if err != nil {
		log.G(ctx).WithError(err).Fatal("cannot make the snapshotter")
	}
	listener, err := net.Listen("unix", *address)
	if err != nil {
		log.G(ctx).WithError(err).Fatal("cannot listen")
	}
	server := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ended
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil {
		log.G(ctx).WithError(err).Fatal("cannot serve")
	}
	if err := snapshotter.Close(); err != nil {
		log.G(ctx).WithError(err).Warn("cannot close the snapshotter")
	}
}
