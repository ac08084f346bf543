// Package producer imports what it must not.
package producer
