package binding_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowyte/api"
	"flowyte/internal/binding"
)

func request(t *testing.T, text string) api.BindingRequest {
	t.Helper()
	var r api.BindingRequest
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func text(s string) *string { return &s }

func TestFromRequest(t *testing.T) {
	for _, c := range []struct {
		name, request string
		want          binding.Binding
	}{
		{"short form", `{"toolName": " Look it up ", "operation": "sales.orders.read", "enabled": true,
			"inputs": [{"param": "caller_phone", "arg": "phone", "format": "phone", "callerOnly": true, "description": "d"}],
			"projection": [{"path": ["order", "id"], "leaf": "id"}]}`,
			binding.Binding{ToolName: "Look it up", Operation: "sales.orders.read", Enabled: true,
				Filter:     &binding.Filter{Column: "phone", Param: "caller_phone", Format: "phone", CallerOnly: true, Description: "d", MaxRows: 5},
				Projection: []binding.Projection{{Path: []string{"order", "id"}, Leaf: "id"}}}},
		{"explicit form", `{"toolName": "x", "operation": "orders.read",
			"sqlSearch": {"column": "ref", "param": "ref", "maxRows": 25, "orderBy": {"column": "at"}, "ownedBy": {"column": "customer_id", "subject": "customer"}},
			"projection": [{"path": ["id"], "leaf": "id"}]}`,
			binding.Binding{ToolName: "x", Operation: "orders.read",
				Filter: &binding.Filter{Column: "ref", Param: "ref", MaxRows: 25, OrderBy: &binding.OrderBy{Column: "at", Direction: "asc"},
					OwnedBy: &binding.OwnedBy{Column: "customer_id", Subject: "customer"}},
				Projection: []binding.Projection{{Path: []string{"id"}, Leaf: "id"}}}},
		{"insert, never enabled", `{"toolName": "x", "operation": "orders.insert", "isWrite": true, "enabled": true, "inputObjectMap": [
			{"field": "a", "param": "a", "required": false, "description": "d", "format": "email"}, {"field": "b", "const": 1.50}, {"field": "c", "system": "now"}]}`,
			binding.Binding{ToolName: "x", Operation: "orders.insert", IsWrite: true, Set: []binding.Assignment{
				{Field: "a", Param: "a", Description: "d", Format: "email"}, {Field: "b", Const: text("1.50")}, {Field: "c", System: "now"}}}},
		{"update", `{"toolName": "x", "operation": "orders.update", "isWrite": true,
			"sqlWrite": {"keyColumn": "id", "keyParam": "order_id", "ownedBy": {"column": "customer_id", "subject": "customer"}},
			"inputObjectMap": [{"field": "status", "param": "status"}]}`,
			binding.Binding{ToolName: "x", Operation: "orders.update", IsWrite: true,
				Key: &binding.Key{Column: "id", Param: "order_id", OwnedBy: &binding.OwnedBy{Column: "customer_id", Subject: "customer"}},
				Set: []binding.Assignment{{Field: "status", Param: "status", Required: true}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, findings := binding.FromRequest(request(t, c.request))
			if len(findings) > 0 {
				t.Fatalf("findings %+v", findings)
			}
			ignorePath := cmpopts.IgnoreFields(binding.Filter{}, "Path")
			if diff := cmp.Diff(c.want, got, ignorePath); diff != "" {
				t.Error(diff)
			}
			again, findings := binding.FromRequest(got.Request())
			if len(findings) > 0 {
				t.Fatalf("its own request has findings: %+v", findings)
			}
			if diff := cmp.Diff(got, again, ignorePath); diff != "" {
				t.Errorf("there and back it is another binding: %s", diff)
			}
		})
	}
}

func TestSplitOperation(t *testing.T) {
	for operation, want := range map[string][2]string{
		"orders.read": {"orders", "read"}, "sales.orders.insert": {"sales.orders", "insert"}, "a.b.c.update": {"a.b.c", "update"},
	} {
		object, action, ok := binding.SplitOperation(operation)
		if !ok || object != want[0] || action != want[1] {
			t.Errorf("%s: %q, %q, %v", operation, object, action, ok)
		}
	}
	for _, operation := range []string{"", "orders", ".read", "orders.", "orders.delete", "orders.READ", "orders.read "} {
		if object, action, ok := binding.SplitOperation(operation); ok {
			t.Errorf("%q was read as %q, %q", operation, object, action)
		}
	}
}

func TestRejected(t *testing.T) {
	if binding.Rejected([]binding.Finding{binding.Found(binding.HasRules, "")}) {
		t.Error("a warning rejects")
	}
	if !binding.Rejected([]binding.Finding{binding.Found(binding.HasRules, ""), binding.Found(binding.KeyMissing, "")}) {
		t.Error("an error does not reject")
	}
}
