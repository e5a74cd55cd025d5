package mes

// Every stored thing says its kind, its key and where its version is.

func (e *Equipment) Key() ID          { return e.ID }
func (e *Equipment) kind() Kind       { return KindEquipment }
func (e *Equipment) version() *int64  { return &e.Version }
func (p *Product) Key() ID            { return p.ID }
func (p *Product) kind() Kind         { return KindProduct }
func (p *Product) version() *int64    { return &p.Version }
func (r *Revision) Key() ID           { return r.ID }
func (r *Revision) kind() Kind        { return KindRevision }
func (r *Revision) version() *int64   { return &r.Version }
func (o *Order) Key() ID              { return o.ID }
func (o *Order) kind() Kind           { return KindOrder }
func (o *Order) version() *int64      { return &o.Version }
func (o *Operation) Key() ID          { return o.ID }
func (o *Operation) kind() Kind       { return KindOperation }
func (o *Operation) version() *int64  { return &o.Version }
func (s *Session) Key() ID            { return s.ID }
func (s *Session) kind() Kind         { return KindSession }
func (s *Session) version() *int64    { return &s.Version }
func (e *Engagement) Key() ID         { return e.ID }
func (e *Engagement) kind() Kind      { return KindEngagement }
func (e *Engagement) version() *int64 { return &e.Version }
func (p *Person) Key() ID             { return p.ID }
func (p *Person) kind() Kind          { return KindPerson }
func (p *Person) version() *int64     { return &p.Version }
func (s *Station) Key() ID            { return s.ID }
func (s *Station) kind() Kind         { return KindStation }
func (s *Station) version() *int64    { return &s.Version }
func (c *Credential) Key() ID         { return c.ID }
func (c *Credential) kind() Kind      { return KindCredential }
func (c *Credential) version() *int64 { return &c.Version }
func (k *Key) Key() ID                { return k.ID }
func (k *Key) kind() Kind             { return KindKey }
func (k *Key) version() *int64        { return &k.Version }
func (k *SSHKey) Key() ID             { return k.ID }
func (k *SSHKey) kind() Kind          { return KindSSHKey }
func (k *SSHKey) version() *int64     { return &k.Version }
func (s *SignIn) Key() ID             { return s.ID }
func (s *SignIn) kind() Kind          { return KindSignIn }
func (s *SignIn) version() *int64     { return &s.Version }
func (l *Lockout) Key() ID            { return l.ID }
func (l *Lockout) kind() Kind         { return KindLockout }
func (l *Lockout) version() *int64    { return &l.Version }
func (p *Principal) Key() ID          { return p.ID }
func (p *Principal) kind() Kind       { return KindPrincipal }
func (p *Principal) version() *int64  { return &p.Version }
func (c *Counter) Key() ID            { return c.ID }
func (c *Counter) kind() Kind         { return KindCounter }
func (c *Counter) version() *int64    { return &c.Version }

// Rows that are only ever added have a key, and no version.

func (r *Report) Key() ID       { return r.ID }
func (r *Report) kind() Kind    { return KindReport }
func (r *Reading) Key() ID      { return r.ID }
func (r *Reading) kind() Kind   { return KindReading }
func (s *Signature) Key() ID    { return s.ID }
func (s *Signature) kind() Kind { return KindSignature }
