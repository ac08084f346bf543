package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheREADMENamesTheVersionsThatAreInstalled(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Versions\n")
	section, _, _ = strings.Cut(section, "\n## ")
	files, err := filepath.Glob("python/requirements-*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var installed strings.Builder
	for _, file := range append(files, "java/pom.xml", "node/package.json") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		installed.Write(text)
	}
	versions := regexp.MustCompile(`\d+\.\d+\.\d+`).FindAllString(section, -1)
	for _, version := range versions {
		if !regexp.MustCompile(`[=">]` + regexp.QuoteMeta(version) + `["<\n]`).MatchString(installed.String()) {
			t.Errorf("the README names version %s, which no file installs", version)
		}
	}
	if len(versions) < 10 {
		t.Errorf("the README names the versions %q; want at least ten", versions)
	}
}

func TestTheREADMENamesEveryPart(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range partNames() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the README does not name the part %s", name)
		}
	}
}
