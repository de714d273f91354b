package host

import (
	"encoding/json"
	"time"
)

// Request asks for the items of one source to be fetched into a store.
type Request struct {
	// Source is the source's name, for example "org.osbuild.curl".
	Source string
	// Items are the items in the order in which the result lists them. Keys
	// must be unique.
	Items []Item
	// Options are the source's options, a JSON object. Empty means {}. As osbuild
	// does with manifests of format version 1, a caller may pass the whole source
	// object, with the items in it.
	Options json.RawMessage
	// Store is the folder that holds <content type>/<key>. In an osbuild store
	// that is its "sources" folder. It is made when it does not exist.
	Store string
	// Format is the form in which images are stored, one of the plugin's formats.
	// Empty means Config.ImageFormat. Sources that produce no images ignore it.
	Format string
	// Verify reads and hashes every entry that is in the store already, and
	// fetches again what does not match its key. Otherwise an entry that is
	// there counts as cached.
	Verify bool
	// Checked says that the caller has validated the items and options with
	// Host.Check already, so that Run need not do it again.
	Checked bool
	// DryRun runs the hooks and fetches nothing. Nothing is written to the store.
	// Plugins make their own requests, as for lists of mirrors.
	DryRun bool
}

// Item is one thing to fetch.
type Item struct {
	// Key is the item's name in the store, for example "sha256:<64 hex>".
	Key string
	// Desc is the item's description as the manifest gives it.
	Desc json.RawMessage
}

// State is what became of an item.
type State string

const (
	// Fetched means that the item was fetched, verified and stored.
	Fetched State = "fetched"
	// Cached means that the item was in the store already, or, of a source that
	// stores nothing, that it is where it has to be.
	Cached State = "cached"
	// Skipped means that a plugin's filter dropped the item.
	Skipped State = "skipped"
	// Failed means that the item is not in the store; ItemResult.Err says why.
	Failed State = "failed"
	// Planned means that a dry run would have fetched the item.
	Planned State = "planned"
)

// ItemResult is the outcome of one item.
type ItemResult struct {
	Key   string
	State State
	// Bytes is the size of what was fetched, 0 for items that were not.
	Bytes int64
	// Duration is how long the download took, retries and waiting included.
	Duration time.Duration
	// Attempts is how many requests were made.
	Attempts int
	// URL is where the item came from, or where the last attempt went, without
	// credentials. In a dry run it is the first URL that would be tried.
	URL string
	// Reason is why a filter skipped the item.
	Reason string
	// Err is set when State is Failed.
	Err *Error
}

// Result is the outcome of a Request.
type Result struct {
	Source string
	// Plugin is the name of the plugin that serves the source.
	Plugin string
	// Items are the outcomes in the order of the request's items.
	Items []ItemResult
	// Duration is the time from start to end of the run.
	Duration time.Duration
}

// Counts is how many items ended in each state, and their bytes.
type Counts struct {
	Fetched, Cached, Skipped, Failed, Planned int
	// Bytes is the size of all that was fetched.
	Bytes int64
}

// Counts adds up the outcomes.
func (r *Result) Counts() Counts {
	var c Counts
	for _, it := range r.Items {
		switch it.State {
		case Fetched:
			c.Fetched++
		case Cached:
			c.Cached++
		case Skipped:
			c.Skipped++
		case Planned:
			c.Planned++
		default:
			c.Failed++
		}
		c.Bytes += it.Bytes
	}
	return c
}

// Failed returns the items that are not in the store although they should be.
func (r *Result) Failed() []ItemResult {
	var failed []ItemResult
	for _, it := range r.Items {
		if it.State == Failed {
			failed = append(failed, it)
		}
	}
	return failed
}

// EventKind says what an Event tells.
type EventKind string

const (
	// EventSource: a source starts; Items is how many items it has.
	EventSource EventKind = "source"
	// EventCached: Items is how many of the source's items are in the store
	// already, Skipped how many the plugin's filter has dropped.
	EventCached EventKind = "cached"
	// EventStart: the download of Key begins.
	EventStart EventKind = "start"
	// EventProgress: Done of Total bytes of Key have arrived.
	EventProgress EventKind = "progress"
	// EventItem: an item that had to be fetched has ended; Result says how.
	EventItem EventKind = "item"
	// EventSourceDone: the source has ended.
	EventSourceDone EventKind = "source-done"
)

// Event tells about the progress of a run. Fields that the kind does not
// mention are zero.
type Event struct {
	Kind   EventKind
	Source string
	Key    string
	// URL is without credentials.
	URL string
	// Done and Total are in bytes; Total is -1 when it is not known.
	Done, Total int64
	Items       int
	Skipped     int
	Result      *ItemResult
}
