// For `node --require`: fcoin asks public name servers for its own address before it listens, whatever it is told.
// Here nothing leaves the machine: the question fails at once, fcoin notes that it found no address, and goes on.
"use strict";
require("dns").Resolver = class {
  constructor() {
    throw new Error("no name servers here: this node stays on its machine");
  }
};
