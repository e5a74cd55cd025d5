package mes

// RaiseAlert notes something that somebody should look at: a key that is used in two places, a door that is open to the
// world. It changes nothing and is an entry in the activity log.
type RaiseAlert struct {
	What    string `json:"what" doc:"what it is, as a short name that never changes: key_in_two_places, public_listener …" maxLength:"40"`
	Subject string `json:"subject" doc:"what it is about, like api_key/ID" maxLength:"120"`
	Text    string `json:"text" doc:"what was seen" maxLength:"200"`
}

func (c *RaiseAlert) decide(d *Decision) error {
	if err := firstError(checkCode("what", ID(c.What)), needText("subject", c.Subject, 120), needText("text", c.Text, 200)); err != nil {
		return err
	}
	d.subject = c.Subject
	return nil
}
