package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// daemon is a server that is installed from a registry.
type daemon struct {
	name    string
	command *exec.Cmd
	says    bytes.Buffer
	url     string
}

// startDynamoDB starts DynamoDB Local with no tables.
func startDynamoDB(s *session) (*daemon, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder := s.path("java", "dynamodb")
	jars, err := filepath.Glob(filepath.Join(folder, "*.jar"))
	if err != nil || len(jars) == 0 {
		return nil, fmt.Errorf("there is no DynamoDB Local in %s: %w", folder, err)
	}
	d := &daemon{name: "DynamoDB Local", url: "http://127.0.0.1:" + port}
	d.command = exec.CommandContext(s.ctx, "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.library.path="+folder,
		"-cp", filepath.Join(folder, "*"), "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb", "-port", port)
	d.command.Env, d.command.Dir = s.environment(), s.cache // where it leaves a file
	return d, d.start(s.ctx, port)
}

// startRedis starts a Redis server with no keys.
func startRedis(s *session) (*daemon, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder := s.path("redis")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	d := &daemon{name: "redis-server", url: "redis://127.0.0.1:" + port}
	d.command = exec.CommandContext(s.ctx, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder)
	return d, d.start(s.ctx, port)
}

// start starts the server and waits until it listens.
func (d *daemon) start(ctx context.Context, port string) error {
	d.command.Stdout, d.command.Stderr, d.command.WaitDelay = &d.says, &d.says, 5*time.Second
	if err := d.command.Start(); err != nil {
		return err
	}
	err := await(ctx, time.Minute, d.name+" listens", func() (bool, error) {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			err = c.Close()
		}
		return err == nil, nil
	})
	if err != nil {
		d.close()
		return fmt.Errorf("%w\n%s", err, lastLines(d.says.String(), 15))
	}
	return nil
}

// close ends the server. It has nothing to keep.
func (d *daemon) close() {
	_ = d.command.Process.Kill()
	_ = d.command.Wait()
}

func (d *daemon) tables() *dynamodb.Client { return dynamoDBAt(d.url) }

// freePort is a port that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}

// await looks ten times a second whether something has come about.
func await(ctx context.Context, within time.Duration, what string, come func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := come(); err != nil || done {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %s", within, what)
		}
	}
}
