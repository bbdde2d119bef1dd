package discover_test

import (
	"slices"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// TestOddMySQL: nothing odd is fatal, and each oddity is told as what it is.
func TestOddMySQL(t *testing.T) {
	eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE `select` (`from` int PRIMARY KEY, `where` varchar(9), `a.b` int, `q``uote` int, ` lead` int, `ünï` int, `$1` int, `?` int, `100%` int, `two\nlines` int, `x''y\\z` int, KEY `a``b c` (`q``uote`))",
			"CREATE TABLE `rank over` (id int PRIMARY KEY, `rank` int)",
			"CREATE TABLE gen (id int PRIMARY KEY, a int, b varchar(20), c varchar(30) GENERATED ALWAYS AS (concat(b, '`a`', \"x'y\")) STORED, d int AS (a * 2) VIRTUAL, KEY (d))",
			"CREATE TABLE bits (id bigint unsigned PRIMARY KEY, b1 bit(1), b64 bit(64), t1 tinyint(1), y year, s set('a','b c','it''s'), e enum('', 'x\\\\y', 'it''s', 'ä', '😀') CHARACTER SET utf8mb4, z int(6) zerofill, f float(7,3), dd decimal(65,30), ts timestamp(6) NULL, dt datetime(3), tt time(6), bl longblob, bi binary(16), vb varbinary(9), js json, g geometry, p point, ch char(0), n national varchar(5))",
			"CREATE TABLE prefixes (id int PRIMARY KEY, t text, v varchar(50), KEY (t(10)), KEY (v(5)), UNIQUE KEY whole (v), FULLTEXT KEY ft (t))",
			"CREATE TABLE parted (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (year(at)) SUBPARTITION BY HASH (to_days(at)) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (2024), PARTITION p1 VALUES LESS THAN MAXVALUE)",
			"CREATE TABLE by_key (id int PRIMARY KEY, v int) PARTITION BY KEY () PARTITIONS 3", "CREATE TABLE by_columns (a int, b int, c int, KEY (c)) PARTITION BY RANGE COLUMNS (b, a) (PARTITION p0 VALUES LESS THAN (5, 5), PARTITION p1 VALUES LESS THAN (MAXVALUE, MAXVALUE))", "CREATE TABLE memory_one (id int PRIMARY KEY, k int, KEY USING HASH (k)) ENGINE=MEMORY",
			"CREATE TABLE isam (id int PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE csv_one (id int NOT NULL) ENGINE=CSV",
			"CREATE TABLE self_key (a int, b int, c int, PRIMARY KEY (b, a), KEY (c, a), CONSTRAINT `odd fk` FOREIGN KEY (c, a) REFERENCES self_key (b, a))",
			"CREATE TABLE bin_words (id int PRIMARY KEY, w varchar(20) COLLATE utf8mb4_bin UNIQUE, l varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci, KEY (l))",
			"CREATE TABLE no_key (a int, b int)", "CREATE TABLE gone (id int)", "CREATE VIEW broken AS SELECT id FROM gone", "DROP TABLE gone",
			"CREATE VIEW v1 AS SELECT `q``uote` AS `odd``name`, `two\nlines` FROM `select`", "CREATE VIEW v2 AS SELECT `odd``name` FROM v1", "CREATE ALGORITHM=TEMPTABLE VIEW v3 AS SELECT count(*) AS n, (SELECT max(id) FROM gen) AS m FROM v2",
			"CREATE VIEW literals AS SELECT 1 AS one, NULL AS nothing, 'x' AS txt, now() AS t", "CREATE TABLE invis (id int PRIMARY KEY, seen int, hid int INVISIBLE DEFAULT 3)",
			"CREATE TABLE defaults (id int PRIMARY KEY, a varchar(9) DEFAULT 'NULL', b varchar(9) DEFAULT NULL, c timestamp DEFAULT current_timestamp ON UPDATE current_timestamp, d varchar(40) DEFAULT (uuid()))")
		if db.Server.Install.Flavor == privatedb.MySQL {
			db.Exec(t, "CREATE TABLE `😀` (`😀 x` int PRIMARY KEY)", "CREATE TABLE multi (id int PRIMARY KEY, j json, name varchar(20), KEY mv ((CAST(j->'$.z' AS UNSIGNED ARRAY))), KEY fn ((lower(name))), KEY mixed (name, (id + 1)), KEY inv (name) INVISIBLE, KEY des (name DESC))",
				"CREATE TABLE places (id int PRIMARY KEY, g geometry NOT NULL SRID 4326, SPATIAL KEY (g))", "CREATE TABLE vec (id int PRIMARY KEY, v vector(3))",
				"CREATE TABLE gipk (a int) AUTO_INCREMENT = 5")
		} else {
			db.Exec(t, "CREATE TABLE versioned (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING", "CREATE TABLE versioned2 (id int PRIMARY KEY, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
				"CREATE TABLE applied (id int PRIMARY KEY, f date, u date, PERIOD FOR valid (f, u))", "CREATE TABLE overlaps (id int, f date, u date, PERIOD FOR valid (f, u), UNIQUE (id, valid WITHOUT OVERLAPS))",
				"CREATE SEQUENCE sq", "CREATE TABLE uses_seq (id int DEFAULT nextval(sq) PRIMARY KEY)", "CREATE TABLE vparts (id int PRIMARY KEY) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION c CURRENT)", "CREATE TABLE ignored (id int PRIMARY KEY, v int, KEY ig (v) IGNORED)", "CREATE TABLE longtext_hash (id int PRIMARY KEY, t text, UNIQUE KEY u (t))",
				"CREATE TABLE uu (id uuid PRIMARY KEY, i inet6, i4 inet4)", "CREATE TABLE aria (id int PRIMARY KEY) ENGINE=Aria", "CREATE TABLE seqeng AS SELECT seq FROM seq_1_to_3", "CREATE TABLE compressed (id int PRIMARY KEY, t text COMPRESSED)")
		}
		found := find(t, db, db.User(t, "SELECT", "SHOW VIEW"))
		want := map[string]string{
			"select":   "table [from] from:integer! where:string a.b:integer q`uote:integer!  lead:integer ünï:integer $1:integer ?:integer 100%:integer two\nlines:integer x''y\\z:integer",
			"gen":      "table [id] id:integer! a:integer b:string c:string d:integer!",
			"prefixes": "table [id] id:integer! t:string v:string!", "memory_one": "table [id] id:integer! k:integer!",
			"parted": "partitioned_table [id at] by [at] of 4 id:integer! at:date", "by_columns": "partitioned_table [] by [b a] of 2 a:integer b:integer c:integer!",
			"by_key": "partitioned_table [id] by [id] of 3 id:integer! v:integer", "self_key": "table [b a] a:integer b:integer! c:integer!",
			"bin_words": "table [id] id:integer! w:string! l:string!", "no_key": "table [] a:integer b:integer", "broken": "", "gone": "",
			"v2": "view [] odd`name:integer", "v3": "view [] n:integer m:integer", "literals": "view [] one:integer nothing:bytes txt:string t:datetime",
			"invis": "table [id] id:integer! seen:integer hid:integer", "sq": "", "isam": "table [id] id:integer!", "csv_one": "table [] id:integer",
		}
		if db.Server.Install.Flavor == privatedb.MySQL {
			want["by_key"] = "table [id] by [id] of 3 id:integer! v:integer" // so this server says
			want["multi"] = "table [id] id:integer! j:json name:string!"
			want["places"], want["vec"] = "table [id] id:integer! g:unsupported", "table [id] id:integer! v:unsupported"
		} else {
			want["versioned"], want["versioned2"] = "table [id] id:integer! v:integer", "table [id e] id:integer! s:datetime e:datetime"
			want["overlaps"], want["vparts"] = "table [] id:integer! f:date u:date", "partitioned_table [id] by [] of 2 id:integer!"
			want["uses_seq"], want["ignored"] = "table [id] id:integer!", "table [id] id:integer! v:integer"
			want["longtext_hash"], want["uu"] = "table [id] id:integer! t:string", "table [id] id:uuid! i:string i4:string"
		}
		holdOdd(t, found, want)
		if c := found.Find("gen").Field("c"); !slices.Equal(c.DerivedFrom, []string{"b"}) {
			t.Errorf("c is derived from %v", c.DerivedFrom)
		}
		if values := found.Find("bits").Field("e").EnumValues; !slices.Equal(values[:4], []string{"", `x\y`, "it's", "ä"}) {
			t.Errorf("the enum has %q", values)
		}
		if d := found.Find("defaults"); !d.Field("a").HasDefault || d.Field("b").HasDefault {
			t.Error("the word NULL and NULL are two defaults")
		}
	})
}
