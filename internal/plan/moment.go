package plan

import (
	"strings"
	"time"
)

// isDate knows year-month-day with a day that exists, from year 1 to 9999.
func isDate(s string) bool {
	if len(s) != len(time.DateOnly) {
		return false
	}
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Year() >= 1
}

// canonicalTime takes 15:04 and 15:04:05 with up to as many digits of a second
// as the column keeps, and writes it as 15:04:05[.ffffff].
func canonicalTime(t *ValueType, s string) (string, bool) {
	if len(s) == len("15:04") {
		s += ":00"
	}
	clock, fraction, dotted := strings.Cut(s, ".")
	if len(clock) != len(time.TimeOnly) {
		return "", false
	}
	if _, err := time.Parse(time.TimeOnly, clock); err != nil {
		return "", false
	}
	if !dotted {
		return clock, true
	}
	if fraction == "" || !allDigits(fraction) {
		return "", false
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > secondDigits(t) {
		return "", false
	}
	if fraction == "" {
		return clock, true
	}
	return clock + "." + fraction, true
}

// secondDigits is how many digits of a second the column keeps; the server
// would round the rest.
func secondDigits(t *ValueType) int {
	if t.Precision != nil {
		return min(*t.Precision, 6)
	}
	return 6
}

// canonicalDateTime takes a date and a time with T or one space between them.
// A zoned one needs its offset, or a location to lend it one.
func canonicalDateTime(t *ValueType, s string, location *time.Location) (string, bool) {
	if len(s) < len("2006-01-02T15:04") || s[10] != 'T' && s[10] != ' ' {
		return "", false
	}
	date, rest := s[:10], s[11:]
	clock, offset := splitOffset(rest)
	clock, ok := canonicalTime(t, clock)
	if !ok || !isDate(date) {
		return "", false
	}
	local := date + "T" + clock
	if !t.Zoned {
		return local, offset == ""
	}
	moment, ok := instant(local, offset, location)
	if !ok || t.BaseType == "timestamp" && !inTimestamp(moment) {
		return "", false
	}
	return moment.UTC().Format("2006-01-02T15:04:05.999999Z"), moment.UTC().Year() >= 1 && moment.UTC().Year() <= 9999
}

// splitOffset cuts Z or ±hh:mm off the end.
func splitOffset(s string) (clock, offset string) {
	if strings.HasSuffix(s, "Z") {
		return s[:len(s)-1], "Z"
	}
	if i := strings.LastIndexAny(s, "+-"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// instant is the moment at which clocks there show local. A local time that the
// change of summer time skips or repeats is refused: it names no moment, or two.
func instant(local, offset string, location *time.Location) (time.Time, bool) {
	const layout = "2006-01-02T15:04:05"
	if offset != "" {
		if offset != "Z" && (len(offset) != 6 || offset > "+14:00" && offset[0] == '+' || offset > "-12:00" && offset[0] == '-') {
			return time.Time{}, false
		}
		t, err := time.Parse(layout+"Z07:00", local+offset)
		return t, err == nil
	}
	if location == nil {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(layout, local, location)
	if err != nil || !strings.HasPrefix(local, t.Format(layout)) {
		return time.Time{}, false
	}
	for _, shift := range []time.Duration{-30 * time.Minute, 30 * time.Minute, -time.Hour, time.Hour, -2 * time.Hour, 2 * time.Hour} {
		other := t.Add(shift)
		if other.Format(layout) == t.Format(layout) {
			return time.Time{}, false
		}
	}
	return t, true
}

// inTimestamp is the range of the MySQL family's TIMESTAMP.
func inTimestamp(t time.Time) bool {
	return t.Unix() >= 1 && t.Unix() <= 1<<31-1
}
