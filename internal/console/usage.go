package console

// usagePage is what the Usage page shows.
type usagePage struct{}

func showUsage(v *visit) error {
	v.show(page{template: "usage", title: "Usage", body: usagePage{}})
	return nil
}
