package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// environment is what every program gets: throw-away credentials, a region, the
// certificate of the local servers, and nothing of the machine's own AWS
// configuration.
func (s *session) environment() []string {
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	return append(own,
		"AWS_ACCESS_KEY_ID=interop", "AWS_SECRET_ACCESS_KEY=interop",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_CA_BUNDLE="+s.secure.file, "NODE_EXTRA_CA_CERTS="+s.secure.file,
		"NODE_PATH="+s.path("node", "node_modules"), "NODE_NO_WARNINGS=1", "PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1",
	)
}

// java is a program on a class path of java/pom.xml.
func (s *session) java(classPath, program string, properties []string, args ...string) (*exec.Cmd, error) {
	libraries, err := os.ReadFile(s.path("java", classPath+".classpath"))
	if err != nil {
		return nil, fmt.Errorf("find the Java libraries: %w", err)
	}
	all := append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}, properties...)
	all = append(all, "-cp", s.path("java", classPath)+string(os.PathListSeparator)+strings.TrimSpace(string(libraries)), program)
	return exec.CommandContext(s.ctx, "java", append(all, args...)...), nil
}
