package binding

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"flowyte/internal/fault"
)

// maxMachineName is the longest machine name.
const maxMachineName = 40

// reservedWords are commands of voice platforms: a tool whose name holds one of
// them is refused there, or confused with the command.
var reservedWords = []string{
	"input", "speak", "transfer", "switch", "wait", "finish", "press", "button",
	"say", "pause", "record", "play", "dial", "hang", "hangup",
}

// reservedNames are whole names of tools that platforms bring along.
var reservedNames = []string{
	"end", "end_call", "call", "stop", "start", "hold", "mute", "skip_turn", "sms", "send_sms", "dtmf", "voicemail",
	"leave_voicemail", "voicemail_detection", "language_detection", "handoff", "agent_swap", "query_tool", "api_request",
}

// letters are written without accents by decomposition; these do not decompose.
var letters = strings.NewReplacer(
	"ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "þ", "th", "ł", "l", "ħ", "h", "ı", "i", "ŋ", "n",
)

// MachineName derives the name by which a conversation offers a tool from what
// people call it: "Look up an appointment" becomes look_up_an_appointment. It
// matches [a-z][a-z0-9_]{0,39}. Accents are dropped, anything else between
// letters and digits becomes one underscore, and a long name ends at a word.
// The error is the fault tool_name_invalid.
func MachineName(toolName string) (string, error) {
	var b strings.Builder
	gap := false
	for _, r := range letters.Replace(strings.ToLower(norm.NFKD.String(toolName))) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0:
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
			gap = false
		case r >= 0x300 && r <= 0x36f, r == '\'', r == '’':
			// An accent of the letter before it, or an apostrophe inside a word.
		default:
			gap = true
		}
	}
	name := atWord(b.String())
	if name == "" {
		return "", fault.New(fault.ToolNameInvalid).WithField("toolName", "needs a Latin letter to make a name from")
	}
	if slices.Contains(reservedNames, name) {
		return "", fault.New(fault.ToolNameInvalid).WithField("toolName", "is the name of a tool that voice platforms bring along; use two or three words that say what is looked up or changed")
	}
	for _, word := range strings.Split(name, "_") {
		if slices.Contains(reservedWords, word) {
			return "", fault.New(fault.ToolNameInvalid).WithField("toolName", "holds %q, which voice platforms reserve; use another word", word)
		}
	}
	return name, nil
}

// atWord cuts a long name, at the end of a word unless that would lose half.
func atWord(name string) string {
	if len(name) <= maxMachineName {
		return name
	}
	cut := name[:maxMachineName]
	if i := strings.LastIndexByte(cut, '_'); name[maxMachineName] != '_' && i >= maxMachineName/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, "_")
}
