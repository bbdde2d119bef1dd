package schema

import "strings"

// piiRules is the documented table, tried in this order. Words are singular and
// in lower case; a comma separates terms. docs/pii-classes.md shows the same
// lists, and a test keeps the two together.
var piiRules = []piiRule{
	{
		class: ClassGovernmentID,
		terms: terms(`ssn, social security, social insurance, sin, itin, tin, tax id, tax identification, tax identifier, taxpayer id,
			national id, national identity, national identification, national insurance, nin, nino, identity card, id card,
			identity document, identity number, citizen id, resident id, residence permit, voter id, military id,
			passport, driver license, driver licence, driving license, driving licence, drivers license, drivers licence, dl number,
			nhs number, medicare number, aadhaar, aadhar, pesel, bsn, cpf, curp, dni, nie, nif, personnummer, burgerservicenummer,
			codice fiscale, steuer id, steuernummer, sozialversicherungsnummer, reisepass, ausweisnummer, numero securite sociale`),
		unless: terms("passport expiry, passport country"),
	},
	{
		class: ClassPaymentCard,
		terms: terms(`credit card, debit card, payment card, bank card, card number, card no, card num, card nr, card pan, card last, card first, card bin,
			card digit, card token, card expiry, card exp, card expiration, card cvv, card cvc, card holder, cardholder, cardholder name, card holder name,
			cc number, cc num, cc no, ccn, cvv, cvc, cvv 2, cvc 2, pan, primary account number, kreditkarte, kartennummer, carte bancaire`),
		suffixes: []string{"name", "expiry", "exp", "date", "month", "year", "cvv", "cvc"},
		unless:   terms("loyalty card, library card, gift card, score card, sim card, business card, membership card, member card, id card, identity card, punch card"),
	},
	{
		class: ClassBankAccount,
		terms: terms(`iban, bank account, bank acct, bank acc, routing number, routing no, aba number, aba routing, sort code, bsb, clabe, swift code, bic, bic code,
			bank routing, account iban, kontonummer, bankverbindung, rekeningnummer`),
		weak:     terms("account, account number, account no, acct, acct number, acct no, account holder"),
		near:     []string{"bank", "iban", "routing", "sepa", "ach", "payout", "payee"},
		beside:   []string{"bank", "iban", "routing", "bic", "swift", "bsb", "aba", "sepa", "ach"},
		unless:   terms("account id, account type, account status, account manager, account balance, account name"),
		suffixes: []string{"holder", "name"},
		types:    []Type{String, Integer, Number, Bytes, JSON, Array},
	},
	{
		class: ClassCredential,
		terms: terms(`password, passwd, pwd, passphrase, pass phrase, passcode, secret, api key, apikey, access key, access token, refresh token, auth token,
			session token, bearer token, reset token, token, private key, secret key, signing key, encryption key, pin, pin code, otp, totp, mfa secret,
			security answer, secret answer, recovery code, backup code, access code, credential, salt, passwort, kennwort, mot de passe, contrasena,
			contraseña, wachtwoord, senha`),
		suffixes: []string{"salt", "bcrypt", "argon", "sha", "256", "512", "md"},
		unless:   terms("token count, token type, push pin, map pin, salt level"),
		types:    []Type{String, Integer, Number, Bytes, JSON, Array, UUID},
	},
	{
		class: ClassDateOfBirth,
		terms: terms(`dob, birth date, birthdate, birth day, birthday, date of birth, birth, born, born on, born at, birth dt, birth year, year of birth,
			birth month, geburtsdatum, geburtstag, date naissance, date de naissance, fecha nacimiento, fecha de nacimiento, geboortedatum, data nascimento`),
		unless: terms("place of birth, country of birth, city of birth"),
		types:  []Type{Date, DateTime, String, Integer},
	},
	{
		class: ClassHealth,
		terms: terms(`diagnosis, diagnose, icd, icd 10, icd code, medical record, mrn, prescription, medication, allergy, blood type, blood group, medical condition,
			health condition, medical history, health history, medical note, clinical note, medical treatment, symptom, disability, disease, illness, lab result,
			hiv, hiv status, pregnancy, pregnant, vaccination, vaccine, immunization, immunisation, mental health, health insurance, health status, diabetic, diabete`),
		suffixes: []string{"code", "date", "name", "description", "type", "status", "list", "history", "note", "detail", "id"},
		types:    []Type{String, Integer, Number, Boolean, Date, DateTime, Enum, JSON, Array, Bytes},
	},
	{
		class: ClassBiometric,
		terms: terms(`fingerprint, finger print, faceprint, face print, face template, face encoding, face embedding, face vector, iris scan, iris template, retina scan,
			voiceprint, voice print, voice embedding, palm print, palmprint, biometric, dna, dna sequence, genome, genetic`),
		suffixes: []string{"template", "data", "image", "scan", "sample", "embedding", "vector", "profile"},
		unless: terms(`device fingerprint, browser fingerprint, key fingerprint, cert fingerprint, certificate fingerprint, ssh fingerprint, content fingerprint,
			file fingerprint, request fingerprint, query fingerprint, schema fingerprint, image fingerprint`),
		types: []Type{String, Bytes, JSON, Array, Unsupported, Number, Integer},
	},
	{
		class: ClassContact,
		terms: terms(`phone, telephone, tel, mobile, mobile phone, cell, cell phone, cellphone, msisdn, fax, landline, email, e mail, mail, email address, e mail address,
			mail address, whatsapp, telefon, handynummer, telefono, teléfono, correo, courriel`),
		suffixes: []string{"ext", "extension", "country", "code", "area", "hint", "lower", "canonical"},
		unless:   terms("phone country code, phone area code, fuel cell, battery cell, cell code, mail code, mobile code"),
		types:    []Type{String, Integer, Number, Array, JSON},
	},
	{
		class: ClassAddress,
		terms: terms(`address, addr, address line, addr line, street, street address, street name, house number, house no, postal code, post code, postcode, zip, zip code, zipcode,
			billing address, shipping address, strasse, straße, hausnummer, plz, postleitzahl, adresse, anschrift, code postal, direccion, dirección, codigo postal, huisnummer`),
		weak:   terms("city, town, suburb, apartment, unit number"),
		near:   []string{"address", "addr"},
		beside: []string{"address", "addr", "street", "postcode", "postal", "zip", "zipcode", "plz"},
		unless: terms("ip address, mac address, email address, e mail address, mail address, web address, wallet address, host address, server address, memory address, zip file"),
		types:  []Type{String, Integer, JSON, Array},
	},
	{
		class: ClassName,
		terms: terms(`first name, last name, full name, middle name, maiden name, given name, family name, second name, sur name, surname, firstname, lastname, fullname,
			forename, fname, lname, customer name, client name, patient name, guest name, contact name, caller name, person name, employee name, staff name,
			member name, owner name, driver name, student name, tenant name, doctor name, holder name, recipient name, beneficiary name, passenger name,
			vorname, nachname, familienname, prenom, prénom, nom famille, apellido, voornaam, achternaam`),
		weak: terms("name, display name, initial, nombre, nom"),
		near: []string{
			"customer", "client", "patient", "guest", "contact", "caller", "person", "people", "employee", "staff", "member", "owner", "driver", "student",
			"tenant", "doctor", "user", "subscriber", "passenger", "recipient", "beneficiary",
		},
		beside: []string{"birthday", "birthdate", "dob", "surname"},
		unless: terms("product name, file name, host name, user name"),
		types:  []Type{String, JSON},
	},
}

// terms reads a list of terms: words apart by spaces, terms by commas.
func terms(list string) [][]string {
	var parsed [][]string
	for term := range strings.SplitSeq(list, ",") {
		words := strings.Fields(term)
		for i, w := range words {
			words[i] = Singular(w)
		}
		parsed = append(parsed, words)
	}
	return parsed
}
