package keys

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestCheckPasswordAccepts(t *testing.T) {
	for _, password := range []string{
		"rabo-tiku-mela-soni",
		"understudy hijacks balcony",
		"Straßenbahn fährt über Brücken",
		"нержавеющая сталь блестит",
		"工場の朝は早いので早く起きるよ私は",
		"x9#Lq&%7v)_=+w2K",
		"four legs and 1234 horses, no cart",
		"anna likes green pumps at dawn", // a name may be a small part
		longText("x", LongestPassword),
	} {
		if err := CheckPassword(password, "anna", "Plant North"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestCheckPasswordRefuses(t *testing.T) {
	about := []string{"anna.berger", "Anna Berger", "B-1047", "Nordwerk Kassel"}
	for _, c := range []struct{ password, reason string }{
		{"", "at least 15"},
		{"short but good", "this one has 14"},
		{strings.Repeat("long enough ", 11), "at most 128"},
		{strings.Repeat("x", 5000), "at most 128"},
		{"not text at all \xff\xfe", "UTF-8"},
		{"rabo tiku mela\tsoni", "U+0009"},
		{"rabo tiku mela\x1b[31msoni", "U+001B"},
		{"rabo tiku mela\u200bsoni", "U+200B"},
		{"rabo tiku mela\u202esoni", "U+202E"},
		{"aaaaaaaaaaaaaaaaaaaa", "different characters"},
		{"abababababababababab", "different characters"},
		{"ratchetratchetratchet", "repeats"},
		{"pump station pump station ", "repeats"},
		{"123456789012345678", "sequence"},
		{"1234567890123456", "sequence"},
		{"abcdefghijklmnopq", "sequence"},
		{"98765432zyxwvuts", "sequence"},
		{"password123456789", "common"},
		{"P@ssw0rd-Welcome-1", "common"},
		{"qwertyuiopasdfghjkl", "common"},
		{"1qaz2wsx3edc4rfv", "common"},
		{"correct horse battery staple", "common"},
		{"Administrator2026!", "common"},
		{"drowssap drowssap1", "common"},
		{"anna.berger.anna.b", "your name"},
		{"annaberger-B-1047!!", "your name"},
		{"Nordwerk.Kassel.1", "your name"},
		{"regreb anna n0rdw3rk", "your name"},
	} {
		err := CheckPassword(c.password, about...)
		var weak *Weak
		if !errors.As(err, &weak) || !strings.Contains(weak.Reason, c.reason) {
			t.Errorf("%.40q: got %v, want …%s…", c.password, err, c.reason)
		} else if c.password != "" && strings.Contains(err.Error(), c.password) {
			t.Errorf("%q is repeated in its error", c.password)
		}
	}
}

func TestPasswordLengthCountsCharacters(t *testing.T) {
	const composed = "çà et là, dés!?" // 15
	decomposed := "c\u0327a\u0300 et la\u0300, de\u0301s!?"
	for _, password := range []string{composed, decomposed} {
		if err := CheckPassword(password); err != nil {
			t.Errorf("%d bytes: %v", len(password), err)
		}
		if err := CheckPassword(strings.TrimSuffix(password, "?")); err == nil {
			t.Errorf("%d bytes: one character too few was accepted", len(password)-1)
		}
	}
	if err := CheckPassword(longText("u\u0308", LongestPassword)); err != nil {
		t.Errorf("%d characters: %v", LongestPassword, err)
	}
	if err := CheckPassword(longText("u", LongestPassword+1)); err == nil {
		t.Errorf("%d characters were accepted", LongestPassword+1)
	}
}

// longText has count characters, every third of them letter, in an order without a pattern.
func longText(letter string, count int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for i := range count {
		if i%3 == 0 {
			text.WriteString(letter)
		} else {
			text.WriteByte("kqxjzvmwpfth"[random.IntN(12)])
		}
	}
	return text.String()
}

func TestPolicyLength(t *testing.T) {
	for _, c := range []struct {
		min, length int
		good        bool
	}{
		{0, 14, false}, {0, 15, true}, {20, 19, false}, {20, 20, true}, {8, 8, true}, {8, 7, false}, {1, 7, false}, {1, 8, true}, {-5, 8, true},
		{500, LongestPassword - 1, false}, {500, LongestPassword, true},
	} {
		if err := (Policy{Min: c.min}).Check(("rabotikumel" + longText("x", LongestPassword))[:c.length]); (err == nil) != c.good {
			t.Errorf("%d characters where %d are asked for: %v", c.length, c.min, err)
		}
	}
}

func TestPolicyClasses(t *testing.T) {
	for password, good := range map[string]bool{
		"Rabo tiku mela 7 soni": true, "rabo tiku mela 7 soni": false, "RABO TIKU MELA 7 SONI": false, "Rabo tiku mela soni": false,
		"RaboTikuMela7Soni": false, "工場の朝は早いので早く起きる7よ私は!": true, "工場の朝は早いので早く起きるよ私は!": false,
	} {
		if err := (Policy{Classes: true}).Check(password); (err == nil) != good {
			t.Errorf("%q with classes: %v", password, err)
		}
	}
	if err := (Policy{}).Check("rabo tiku mela soni"); err != nil {
		t.Errorf("classes are asked for by default: %v", err)
	}
}

func TestPolicyWords(t *testing.T) {
	policy := Policy{Words: []string{"Nordwerk Kassel", "Turbolader"}}
	for _, password := range []string{"nordwerk-kassel-19", "TurboladerTurb0lader", "lessak krewdron 77"} {
		if err := policy.Check(password, "anna"); err == nil {
			t.Errorf("%q is accepted", password)
		}
		if err := CheckPassword(password, "anna"); err != nil {
			t.Errorf("%q is refused elsewhere: %v", password, err)
		}
	}
	if err := policy.Check("anna.berger.anna.b", "Anna Berger"); err == nil {
		t.Error("words of the site displace those of the person")
	}
}

func TestPolicyRemembers(t *testing.T) {
	for history, want := range map[int]int{0: UsualHistory, 3: 3, -1: 0} {
		if got := (Policy{History: history}).Remembered(); got != want {
			t.Errorf("%d: %d are remembered", history, got)
		}
	}
}

// Every password of a permitted length that guessing tries first is refused: common words alone, in pairs, in capitals,
// masked, and with the usual endings. Where two words run into a sequence across their border, one in a thousand may pass.
func TestThousandsOfCommonPasswordsAreRefused(t *testing.T) {
	words := strings.Fields(commonText)
	tried := 0
	var passed []string
	for i, word := range words {
		capital := strings.ToUpper(word[:1]) + word[1:]
		masked := strings.NewReplacer("a", "@", "e", "3", "i", "1", "o", "0", "s", "$").Replace(capital)
		for _, password := range []string{
			word + "1234567890", capital + "1234567890!", masked + "!123456789", word + "-2026", capital + "2026!", word + word, word + " " + words[(i+1)%len(words)],
			capital + "-" + words[(i+7)%len(words)] + "1", masked + words[(i+31)%len(words)] + "!", word + words[(i+57)%len(words)] + "123", words[(i+101)%len(words)] + "_" + masked,
			capital + words[(i+11)%len(words)] + "2025", word + "." + words[(i+13)%len(words)] + "." + words[(i+17)%len(words)], masked + "_" + words[(i+19)%len(words)] + "99",
			word + words[(i+23)%len(words)] + words[(i+29)%len(words)], capital + " und " + words[(i+37)%len(words)], "1234 " + capital + " " + words[(i+41)%len(words)],
			"my" + capital + words[(i+43)%len(words)], word + "!" + words[(i+47)%len(words)] + "!", strings.ToUpper(word) + words[(i+53)%len(words)] + "2026!",
		} {
			if len(password) < ShortestPassword {
				continue
			}
			tried++
			if CheckPassword(password) == nil {
				passed = append(passed, password)
			}
		}
	}
	if tried < 3000 || 1000*len(passed) > tried {
		t.Errorf("of %d these are accepted: %q", tried, passed)
	}
}

func TestRepeats(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "a": false, "ab": false, "aa": true, "aab": false, "abab": true, "ababa": true, "abcab": false, "abcabcab": true,
	} {
		if got := repeats([]rune(text)); got != want {
			t.Errorf("repeats(%q) = %v", text, got)
		}
	}
}

func TestWithoutRuns(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "abc": "abc", "abcd": "", "xabcdx": "xx", "aaaab": "b", "aabcd": "a", "4321": "", "abcdcba": "cba",
		"12 34": "12 34", "zz1234yy": "zzyy",
	} {
		if got := string(withoutRuns([]rune(text))); got != want {
			t.Errorf("withoutRuns(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCommonWordsAreUsable(t *testing.T) {
	for _, word := range common {
		if len(word) < shortestWord || word != unmask(simplify(word)) {
			t.Errorf("%q can never be found", word)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("rabo-tiku-mela-soni", "anna")
	f.Add("\xff", "")
	f.Add("ﷺﷺﷺﷺﷺﷺ", "ﷺ")
	f.Fuzz(func(t *testing.T, password, about string) {
		err := CheckPassword(password, about)
		if weak := (*Weak)(nil); err != nil && !errors.As(err, &weak) {
			t.Errorf("%v is not a Weak", err)
		}
		if err == nil && !plausible(password) {
			t.Errorf("%q is accepted but cannot be hashed", password)
		}
	})
}
