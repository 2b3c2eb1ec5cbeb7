package cli

// longTask shows on a terminal how far a task is that tells so by itself, and
// nothing elsewhere: its output is for scripts.
type longTask struct {
	env         *Env
	description string
	inBytes     bool
	bar         *progress // nil: nothing is shown yet, or ever
	done        int64
}

func newLongTask(env *Env, description string, inBytes bool) *longTask {
	return &longTask{env: env, description: description, inBytes: inBytes}
}

// at says how much is done of how much. What a bar cannot show is no reason to
// end the task.
func (t *longTask) at(done, total int64) {
	if !t.env.terminal {
		return
	}
	if t.bar == nil {
		t.bar = newProgress(t.env, t.description, total, t.inBytes)
	}
	_ = t.bar.add(done - t.done)
	t.done = done
}

// end says that the task is over, and whether all of it is done.
func (t *longTask) end(complete bool) {
	if t.bar != nil {
		_ = t.bar.end(complete)
	}
}
