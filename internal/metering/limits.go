package metering

// Limits of what an observation may say (spec 2-metering, "Limits").
const (
	MaxProjectID      = 1<<53 - 1
	MaxRegionID       = 1<<53 - 1
	MaxTextLength     = 255 // characters, of names and other texts
	MaxTags           = 128
	MaxTagKeyLength   = 255 // characters
	MaxTagValueLength = 256 // characters
	MaxSizeBytes      = 1 << 60
	MaxCount          = 1_000_000
	MaxSourceBytes    = 255
	MaxIDBytes        = 255
	MaxQuantityWhole  = 15 // digits before the point
	MaxQuantityPlaces = 6  // digits after the point
	MaxEventBytes     = 256 << 10
)

// Limits on time (spec 2-metering, "What makes an observation invalid").
const (
	MinEventTime      Instant = 946684800 * Second // 2000-01-01T00:00:00Z, inclusive
	MaxClockAhead             = 3600 * Second      // inclusive
	MaxQuantityWindow         = 24 * 3600 * Second // inclusive
)
