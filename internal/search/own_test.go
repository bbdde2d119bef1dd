package search

import (
	"regexp"
	"strings"
	"testing"

	"flowyte/internal/schema"
)

// ownQuestions are questions of our own over two public databases, each with a
// query that answers it as far as its tables and columns go.
func ownQuestions(t testing.TB) []questionSet {
	t.Helper()
	sets := []questionSet{
		{name: "chinook", db: mysqlDump(t, "chinook", "Chinook_MySql.sql")},
		{name: "sakila", db: mysqlDump(t, "sakila-mysql", "sakila-mv-schema.sql")},
	}
	for i, asked := range []string{chinookAsked, sakilaAsked} {
		for line := range strings.SplitSeq(strings.TrimSpace(asked), "\n") {
			text, sql, _ := strings.Cut(line, " | ")
			sets[i].questions = append(sets[i].questions, question{text, goldOf(sets[i].db, sql)})
		}
	}
	return sets
}

var (
	dumpTable  = regexp.MustCompile("^(CREATE|ALTER) TABLE `?(\\w+)`?")
	dumpColumn = regexp.MustCompile("^\\s+`?(\\w+)`? ([A-Z]+)")
	dumpKey    = regexp.MustCompile(`PRIMARY KEY +\(([^)]*)\)`)
	dumpRefers = regexp.MustCompile("FOREIGN KEY \\(`?(\\w+)`?\\) REFERENCES `?(\\w+)`? \\(`?(\\w+)`?\\)")
	dumpOther  = regexp.MustCompile(`^\s+(KEY|UNIQUE|CONSTRAINT|FULLTEXT|INDEX|ON)\b`)
)

// mysqlDump reads the tables, columns, primary and foreign keys of a dump. It
// knows the two dumps that it is for.
func mysqlDump(t testing.TB, path ...string) *schema.Database {
	t.Helper()
	db := &schema.Database{Kind: schema.MySQL, DefaultSchema: "own"}
	var o *schema.Object
	creating := false
	for line := range strings.SplitSeq(readCorpus(t, path...), "\n") {
		if m := dumpTable.FindStringSubmatch(line); m != nil {
			if creating = m[1] == "CREATE"; creating {
				db.Objects = append(db.Objects, schema.Object{Schema: "own", Name: m[2], Type: schema.Table, Supported: true})
			}
			o = db.Find(m[2])
			continue
		}
		creating = creating && !strings.HasPrefix(line, ")")
		if m := dumpRefers.FindStringSubmatch(line); m != nil {
			o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{
				Columns: []string{m[1]}, TargetSchema: "own", TargetObject: m[2], TargetColumns: []string{m[3]},
			})
		} else if m := dumpKey.FindStringSubmatch(line); m != nil && creating {
			o.PrimaryKey = strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(" ,`", r) })
		} else if m := dumpColumn.FindStringSubmatch(line); m != nil && creating && !dumpOther.MatchString(line) {
			o.Fields = append(o.Fields, schema.Field{Name: m[1], Type: typeOf(m[2])})
		}
	}
	return sorted(db)
}

const chinookAsked = `
Which artists have the most albums? | select ar.name from artist ar, album al where al.artistid = ar.artistid
How much has each customer spent? | select c.firstname, c.lastname, i.total from customer c, invoice i where i.customerid = c.customerid
What is the best selling genre? | select g.name, l.quantity from genre g, track t, invoiceline l where t.genreid = g.genreid and l.trackid = t.trackid
Which songs are longer than five minutes? | select t.name from track t where t.milliseconds > 5
Which band made the song? | select ar.name from track t, album al, artist ar where t.albumid = al.albumid and al.artistid = ar.artistid and t.name = 'x'
Who is the support agent of a customer? | select e.firstname, e.lastname from employee e, customer c where c.supportrepid = e.employeeid
What tracks are on the playlist? | select t.name from track t, playlisttrack pt, playlist p where pt.trackid = t.trackid and pt.playlistid = p.playlistid and p.name = 'x'
Total sales by country of the buyer | select i.billingcountry, i.total from invoice i
Which employees report to the general manager? | select e.firstname, e.reportsto, m.title from employee e, employee m where e.reportsto = m.employeeid
Revenue of each sales rep last year | select e.firstname, e.lastname, i.total, i.invoicedate from employee e, customer c, invoice i where c.supportrepid = e.employeeid and i.customerid = c.customerid
How many rock songs do we have? | select g.name from track t, genre g where t.genreid = g.genreid and g.name = 'x'
Which file format is used most? | select m.name from mediatype m, track t where t.mediatypeid = m.mediatypeid
What did the customer buy? | select t.name, c.lastname from customer c, invoice i, invoiceline l, track t where i.customerid = c.customerid and l.invoiceid = i.invoiceid and l.trackid = t.trackid
Which artists sold the most songs? | select ar.name, l.quantity from artist ar, album al, track t, invoiceline l where al.artistid = ar.artistid and t.albumid = al.albumid and l.trackid = t.trackid
List the albums of an artist with their tracks | select al.title, t.name from artist ar, album al, track t where al.artistid = ar.artistid and t.albumid = al.albumid and ar.name = 'x'
When was an employee hired and how old is he? | select e.hiredate, e.birthdate from employee e
Which playlists contain songs of an artist? | select p.name from playlist p, playlisttrack pt, track t, album al, artist ar where pt.playlistid = p.playlistid and pt.trackid = t.trackid and t.albumid = al.albumid and al.artistid = ar.artistid and ar.name = 'x'
Email addresses of customers in Brazil | select c.email from customer c where c.country = 'x'
Which customers listen to jazz? | select c.email from customer c, invoice i, invoiceline l, track t, genre g where i.customerid = c.customerid and l.invoiceid = i.invoiceid and l.trackid = t.trackid and t.genreid = g.genreid and g.name = 'x'
Average price of a track by genre | select g.name, t.unitprice from track t, genre g where t.genreid = g.genreid
Who wrote the song? | select t.composer from track t where t.name = 'x'
Invoices of the customer with their lines | select i.invoiceid, l.unitprice, l.quantity from customer c, invoice i, invoiceline l where i.customerid = c.customerid and l.invoiceid = i.invoiceid and c.lastname = 'x'
`

const sakilaAsked = `
Which actors played in the film? | select a.first_name, a.last_name from actor a, film_actor fa, film f where fa.actor_id = a.actor_id and fa.film_id = f.film_id and f.title = 'x'
Which movies are available in the store right now? | select f.title from film f, inventory i, store s where i.film_id = f.film_id and i.store_id = s.store_id
Who has not returned a movie yet? | select c.first_name, c.last_name, r.return_date from customer c, rental r where r.customer_id = c.customer_id
What are the most rented films? | select f.title from film f, inventory i, rental r where i.film_id = f.film_id and r.inventory_id = i.inventory_id
How much did each customer pay last month? | select c.first_name, c.last_name, p.amount, p.payment_date from customer c, payment p where p.customer_id = c.customer_id
Which categories earn the most money? | select c.name, p.amount from category c, film_category fc, inventory i, rental r, payment p where fc.category_id = c.category_id and fc.film_id = i.film_id and r.inventory_id = i.inventory_id and p.rental_id = r.rental_id
Comedies shorter than an hour | select f.title, f.length from film f, film_category fc, category c where fc.film_id = f.film_id and fc.category_id = c.category_id and c.name = 'x'
In which language is the movie? | select l.name from film f, language l where f.language_id = l.language_id and f.title = 'x'
Customers who live in Canada | select c.first_name, c.last_name from customer c, address a, city ci, country co where c.address_id = a.address_id and a.city_id = ci.city_id and ci.country_id = co.country_id and co.country = 'x'
Phone number of the store manager | select a.phone from store s, staff st, address a where s.manager_staff_id = st.staff_id and st.address_id = a.address_id
Rentals processed by each staff member | select s.first_name, s.last_name from rental r, staff s where r.staff_id = s.staff_id
How many copies of a film does each store have? | select s.store_id, f.title from film f, inventory i, store s where i.film_id = f.film_id and i.store_id = s.store_id
What does it cost to rent a film, and for how many days? | select f.rental_rate, f.rental_duration from film f where f.title = 'x'
Revenue per store | select s.store_id, p.amount from store s, staff st, payment p where st.store_id = s.store_id and p.staff_id = st.staff_id
Which actor has appeared in the most horror movies? | select a.first_name, a.last_name from actor a, film_actor fa, film_category fc, category c where fa.actor_id = a.actor_id and fc.film_id = fa.film_id and fc.category_id = c.category_id and c.name = 'x'
Cities with the most customers | select ci.city from city ci, address a, customer c where a.city_id = ci.city_id and c.address_id = a.address_id
Inactive customers with their email | select c.email from customer c where c.active = 0
Films that were never rented | select f.title from film f, inventory i, rental r where i.film_id = f.film_id and r.inventory_id = i.inventory_id
What has this customer rented, and when is it due? | select f.title, r.rental_date, f.rental_duration from customer c, rental r, inventory i, film f where r.customer_id = c.customer_id and r.inventory_id = i.inventory_id and i.film_id = f.film_id and c.email = 'x'
Which films has the actor made since 2006? | select f.title, f.release_year from actor a, film_actor fa, film f where fa.actor_id = a.actor_id and fa.film_id = f.film_id and a.last_name = 'x'
Replacement cost of lost films by rating | select f.replacement_cost, f.rating from film f
Address of each store with city and country | select a.address, ci.city, co.country from store s, address a, city ci, country co where s.address_id = a.address_id and a.city_id = ci.city_id and ci.country_id = co.country_id
Which employee took the payment for the rental? | select s.first_name, s.last_name from staff s, payment p, rental r where p.staff_id = s.staff_id and p.rental_id = r.rental_id
Which category of movies do customers in Spain like? | select c.name from category c, film_category fc, inventory i, rental r, customer cu, address a, city ci, country co where fc.category_id = c.category_id and co.country = 'x'
`
