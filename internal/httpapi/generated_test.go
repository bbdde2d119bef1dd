package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

//go:generate go test -run ^TestCommentsAreUpToDate$ . -update
//go:generate go test -run ^TestOpenAPIDocumentIsUpToDate$ . -update

var update = flag.Bool("update", false, "write the generated files anew")

// golden compares a generated file with what it would be now.
func golden(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: run make generate", path)
	}
}

// TestCommentsAreUpToDate holds comments.json to the source of package api.
func TestCommentsAreUpToDate(t *testing.T) {
	found := map[string]string{}
	files, err := filepath.Glob("../../api/*.go")
	if err != nil || len(files) < 3 {
		t.Fatalf("package api: %v, %v", files, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range source.Decls {
			types, ok := decl.(*ast.GenDecl)
			if !ok || types.Tok != token.TYPE {
				continue
			}
			for _, spec := range types.Specs {
				readType(types, spec.(*ast.TypeSpec), found)
			}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(found); err != nil {
		t.Fatal(err)
	}
	golden(t, "comments.json", b.Bytes())
}

func readType(decl *ast.GenDecl, spec *ast.TypeSpec, into map[string]string) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok || spec.TypeParams != nil {
		return
	}
	name := spec.Name.Name
	into[name] = oneLine(decl.Doc)
	for _, field := range structure.Fields.List {
		text := oneLine(field.Doc)
		if text == "" {
			text = oneLine(field.Comment)
		}
		if text == "" || field.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
		key, _, _ := strings.Cut(tag, ",")
		into[name+"."+key] = text
	}
}

func oneLine(c *ast.CommentGroup) string {
	return strings.Join(strings.Fields(c.Text()), " ")
}
