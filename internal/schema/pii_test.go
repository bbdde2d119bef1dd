package schema_test

import (
	"os"
	"strings"
	"testing"

	"flowyte/internal/schema"
)

// classCases are names of columns by class, in the table `contacts` unless the
// name is written table.column, of type string unless it ends in :type.
var classCases = map[string]string{
	schema.ClassGovernmentID: `ssn SSN social_security_number socialSecurityNo customer_ssn ssn_last4 SSNLast4 ssn_hash sin itin tax_id taxId TaxIdentificationNumber
		national_id nationalInsuranceNumber nino passport passport_no passport_number PassportNum drivers_license_number driver_licence dl_number nhs_number
		aadhaar_number bsn cpf steuer_id id_card_number identity_card voter_id social-security-number socialsecurity tin:integer`,
	schema.ClassPaymentCard: `card_last4 cardLast4 card_number CardNo cc_number ccn credit_card credit_card_number debitCardNo pan card_pan cvv cvc cvv2 card_cvv
		card_expiry card_exp_month:integer card_expiration_date:date cardholder_name card_holder_name card_token card_bin cardnumber first_card_number payments.card_last_four kreditkarte`,
	schema.ClassBankAccount: `iban customer_iban IBAN bank_account bank_account_number bankAccountNo routing_number sort_code bsb swift_code bic clabe
		bank_details.account_number bank_details.account_holder payout_accounts.account_no kontonummer`,
	schema.ClassCredential: `password password_hash passwordHash pwd passwd passphrase user_password secret client_secret api_key apiKey access_token refresh_token auth_token
		reset_token private_key pin pin_hash otp totp_secret mfa_secret security_answer recovery_codes salt password_salt passwort gate_access_code token:uuid`,
	schema.ClassDateOfBirth: `dob:date date_of_birth:date dateOfBirth:date birth_date:date birthdate birthday:date born_on:date year_of_birth:integer birth_year:integer dateofbirth
		geburtsdatum:date patient_dob:date`,
	schema.ClassHealth: `diagnosis diagnosis_code diagnoses icd10 icd_10_code icd_code medical_record_number mrn prescription medications allergies allergy_list blood_type blood_group
		medical_history medical_notes is_pregnant:boolean hiv_status disability:enum health_insurance_number diabetic:boolean vaccination_date:date`,
	schema.ClassBiometric: `fingerprint fingerprint_template:bytes face_embedding:array faceprint voice_print voiceprint iris_scan:bytes retina_scan biometric_data dna_sequence`,
	schema.ClassContact: `phone phone_number phoneNumber mobile mobile_no cell_phone home_phone phone2 work_phone_ext email email_address e_mail EMail contact_email fax
		customers.tel phone:integer msisdn phone_e164 telefon`,
	schema.ClassAddress: `address address_line1 addressLine2 street street_address house_number postcode postal_code zip zip_code zipcode billing_address
		shippingAddress addr customer_addresses.city strasse plz`,
	schema.ClassName: `first_name firstName FirstName last_name surname full_name given_name family_name middle_name maiden_name customer_name patientName contact_name
		contacts.name customers.name users.display_name vorname nachname lname`,
	"": `id status notes reason reason_for_visit description created_at:datetime amount:number contacts.company_id phone_model phone_type phone_brand phone_country_code email_sent:boolean email_verified:boolean email_template
		password_changed_at:datetime password_reset_required:boolean has_password:boolean card_type card_brand card_status card_count:integer card_id:integer loyalty_card_number gift_card_number
		library_card_no sim_card_number business_card score_card passport_expiry:date passport_country ip_address mac_address web_address address_id:integer address_type place_of_birth birth_place
		device_fingerprint key_fingerprint token_count:integer account_id:integer account_number orders.account_number products.name product_name file_name orders.name state country
		services.city shipping_method pin_board spinning treatment treatment_id appointments.notes visit_reason disabled:boolean is_disabled:boolean cellar mobile_app_version fuel_cell
		healthy panel pancake asin bicycle saltwater tinted telegram`,
}

func TestPIIClass(t *testing.T) {
	for want, list := range classCases {
		for _, entry := range strings.Fields(list) {
			name, typ, typed := strings.Cut(entry, ":")
			if !typed {
				typ = string(schema.String)
			}
			table, columnName, qualified := strings.Cut(name, ".")
			if !qualified {
				table, columnName = "contacts_x", name
			}
			f := column(columnName, schema.Type(typ))
			o := &schema.Object{Name: table, Fields: []schema.Field{column("id", schema.Integer), f}}
			if got := schema.PIIClass(&f, o); got != want {
				t.Errorf("%s: class %q, want %q", entry, got, want)
			}
		}
	}
}

func TestPIIClassBySiblings(t *testing.T) {
	for sibling, want := range map[string]string{"sort_code": schema.ClassBankAccount, "iban": schema.ClassBankAccount, "order_id": ""} {
		f := column("account_number", schema.String)
		o := &schema.Object{Name: "refunds", Fields: []schema.Field{f, column(sibling, schema.String)}}
		if sibling == "sort_code" {
			o.Fields = append(o.Fields, column("routing_number", schema.String))
		}
		if got := schema.PIIClass(&f, o); got != want {
			t.Errorf("an account number beside %s is %q", sibling, got)
		}
	}
}

func TestPIIClassByComment(t *testing.T) {
	for comment, want := range map[string]string{
		"Social security number":                   schema.ClassGovernmentID,
		"The customer's passport number.":          schema.ClassGovernmentID,
		"last four digits of the card number":      schema.ClassPaymentCard,
		"Date of birth; used to verify the caller": schema.ClassDateOfBirth,
		"IBAN of the payee":                        schema.ClassBankAccount,
		"ICD-10 diagnosis":                         schema.ClassHealth,
		"hashed password (bcrypt)":                 schema.ClassCredential,
		"set to 2 once the password was reset":     "",
		"not a password":                           "",
		"whether a passport was shown":             "",
		"see customers.ssn":                        "",
		"a long description of the process in which the clerk compares the passport with the booking": "",
		"phone of the shop": "", "": "", "🙂": "",
	} {
		f := column("ref2", schema.String)
		f.Comment = comment
		if got := schema.PIIClass(&f, &schema.Object{Name: "t"}); got != want {
			t.Errorf("%q is %q, want %q", comment, got, want)
		}
	}
	for _, name := range []string{"notes", "visit_reason", "remarks"} {
		f := column(name, schema.String)
		f.Comment = "Diagnosis"
		if got := schema.PIIClass(&f, &schema.Object{Name: "t"}); got != "" {
			t.Errorf("%s with a comment is %q: health is never read into free text", name, got)
		}
	}
}

func TestClasses(t *testing.T) {
	refused := 0
	for _, class := range schema.Classes() {
		if !schema.KnownClass(class) {
			t.Errorf("%s is not known", class)
		}
		if schema.RefusedInWrites(class) {
			refused++
		}
	}
	if refused != 7 || len(schema.Classes()) != 10 || schema.RefusedInWrites("") || schema.RefusedInWrites(schema.ClassContact) || schema.KnownClass(schema.ClassNone) {
		t.Errorf("%d of %d classes are refused in writes", refused, len(schema.Classes()))
	}
}

// The documented table is the one that decides.
func TestPIIDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/pii-classes.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), schema.PIITable()) {
		t.Errorf("docs/pii-classes.md does not hold the table in use, which is:\n%s", schema.PIITable())
	}
}
