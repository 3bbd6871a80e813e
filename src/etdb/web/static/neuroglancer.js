// Neuroglancer's client waits for events of a Python process. Here is none: its whole state stands in the address. So it
// is told that the stream is open, and nothing ever comes.
globalThis.EventSource = class {
  constructor() {
    setTimeout(() => this.onopen?.());
  }

  close() {}
};
