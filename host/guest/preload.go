package guest

// Preload begins to compile the plugin in the background, for whoever will soon
// need it. Errors are those of the call that does. A plugin that is not trusted is
// left alone until it is called.
func (p *Plugin) Preload() {
	if p.src.Trusted {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.startCompiling()
	}
}
