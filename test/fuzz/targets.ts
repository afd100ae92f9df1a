import type { FuzzTarget } from "./fuzz-target.js";

const dataFiles = () => import("./targets/data-files.js");
const documents = () => import("./targets/documents.js");
const envelope = () => import("./targets/envelope.js");
const stateFiles = () => import("./targets/state-files.js");

/** Everything that reads bytes from outside, by name. */
export const targets: Readonly<Record<string, () => Promise<FuzzTarget>>> = {
	mqtt: async () => (await import("./targets/mqtt.js")).mqttTarget(),
	envelope: async () => (await envelope()).envelopeTarget(),
	chunks: async () => (await envelope()).chunksTarget(),
	artifact: async () => (await import("./targets/artifact.js")).artifactTarget(),
	onnx: async () => (await import("./targets/onnx.js")).onnxTarget(),
	npz: async () => (await dataFiles()).npzTarget(),
	idx: async () => (await dataFiles()).idxTarget(),
	image: async () => (await dataFiles()).imageTarget(),
	journal: async () => (await stateFiles()).journalTarget(),
	"log-entry": async () => (await documents()).logEntryTarget(),
	checkpoint: async () => (await stateFiles()).checkpointTarget(),
	trail: async () => (await documents()).trailTarget(),
	kit: async () => (await documents()).kitTarget(),
	request: async () => (await documents()).requestTarget(),
};
