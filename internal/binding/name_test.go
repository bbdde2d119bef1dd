package binding_test

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"flowyte/internal/binding"
	"flowyte/internal/fault"
)

func TestMachineName(t *testing.T) {
	for name, want := range map[string]string{
		"Look up an appointment":        "look_up_an_appointment",
		"  Look—up  (an) appointment! ": "look_up_an_appointment",
		"Rendez-vous à l'hôtel":         "rendez_vous_a_lhotel",
		"Größe ändern für Łódź":         "grosse_andern_fur_lodz",
		"ÆON Œuvre Øre":                 "aeon_oeuvre_ore",
		"customer’s order":              "customers_order",
		"24 hour service":               "hour_service",
		"Room 12B":                      "room_12b",
		"lookUpOrder":                   "lookuporder",
		"ﬁnd order №5":                  "find_order_no5",
		"予約 lookup 予約":                  "lookup",
		"Find the appointment that the caller booked last week": "find_the_appointment_that_the_caller",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b":             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"Check the switchboard":                                 "check_the_switchboard",
	} {
		got, err := binding.MachineName(name)
		if err != nil || got != want {
			t.Errorf("%q became %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "  ", "予約", "123", "!?", "Transfer", "transfer call", "Say hello", "End call", "Hang up now", "DTMF"} {
		if got, err := binding.MachineName(name); !fault.Is(err, fault.ToolNameInvalid) {
			t.Errorf("%q became %q, %v", name, got, err)
		}
	}
}

func TestMachineNameHasItsForm(t *testing.T) {
	form := regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		got, err := binding.MachineName(name)
		if err != nil {
			return
		}
		if !form.MatchString(got) {
			t.Fatalf("%q became %q", name, got)
		}
		if again, err := binding.MachineName(got); err != nil || again != got {
			t.Fatalf("%q became %q and then %q, %v", name, got, again, err)
		}
	})
}
