// Package endpoints keeps the endpoint of a stream's calls:
//
//	call ──► known? ──yes──────────────► endpoint
//	           └────no──► SDK's rules ──────┘ kept
package endpoints
