/** What `Device.connect` takes for granted in Node.js. A bundle for browsers has nothing in its place (`browser` in package.json). */
export { nodeHost } from "../budget/node-host.js";
export { nodeRuntime } from "../runtime/node.js";
export { readStartUpKit } from "./read-start-up-kit.js";
