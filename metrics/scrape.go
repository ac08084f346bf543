package metrics

import "sync"

// Scraped is a sink that is read now and then, as a Prometheus does it, and
// asks for what there is to read. Clients count by themselves then, and hand
// on their sums when they are asked: all of one moment, so that what belongs
// together, such as records put, sent and waiting, is read together, and a
// record costs nothing. Any other sink is told after every change, and so is one
// that is not Trusted.
type Scraped interface {
	Trusted

	// OnScrape has collect called before each time the sink is read, until
	// stop is called. Stop calls it a last time.
	OnScrape(collect func()) (stop func())
}

// OnScrape has collect called before each time the sink is read, until Close,
// which calls it a last time. For a sink that is not Scraped, and for a Multi of
// sinks of which one is not, it reports false and does nothing: the caller then
// tells the sink after every change.
func (i *Isolated) OnScrape(collect func()) bool {
	all, ok := scraped(i.sink)
	if !ok {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, each := range all {
		i.stops = append(i.stops, each.OnScrape(collect))
	}
	return true
}

// stopScrapes ends what OnScrape has begun.
func (i *Isolated) stopScrapes() {
	i.mu.Lock()
	stops := i.stops
	i.stops = nil
	i.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// scraped returns the sinks behind sink, if all of them are Scraped.
func scraped(sink Sink) (all []Scraped, ok bool) {
	switch s := sink.(type) {
	case *Isolated:
		return scraped(s.sink)
	case *multi:
		for _, member := range s.members {
			more, ok := scraped(member)
			if !ok {
				return nil, false
			}
			all = append(all, more...)
		}
		return all, true
	case Scraped:
		return []Scraped{s}, true
	}
	return nil, false
}

// scraping is held while any sink is read, and while clients change values that
// belong together. It is one for the whole process, because a client may hand
// on to several sinks at once.
var scraping sync.Mutex

// Together runs change so that a Scraped sink is read before it or after it,
// and not in between. Change must not read a sink.
func Together(change func()) {
	scraping.Lock()
	defer scraping.Unlock()
	change()
}

// Scrapes makes a sink Scraped: the sink calls Scrape to read itself. The zero
// value is ready to use, by many goroutines at once.
type Scrapes struct {
	collects map[*func()]struct{} // guarded by scraping
}

// OnScrape implements Scraped.
func (s *Scrapes) OnScrape(collect func()) (stop func()) {
	key := &collect
	Together(func() {
		if s.collects == nil {
			s.collects = make(map[*func()]struct{})
		}
		s.collects[key] = struct{}{}
	})
	return sync.OnceFunc(func() {
		Together(func() {
			delete(s.collects, key)
			collect()
		})
	})
}

// Scrape calls what OnScrape was given, and then read, while no client changes
// values that belong together. Neither may read a sink.
func (s *Scrapes) Scrape(read func()) {
	Together(func() {
		for collect := range s.collects {
			(*collect)()
		}
		read()
	})
}
