import type { FuzzTarget } from "./fuzz-target.js";

const dataFiles = () => import("./targets/data-files.js");
const dicom = () => import("./targets/dicom.js");
const documents = () => import("./targets/documents.js");
const envelope = () => import("./targets/envelope.js");
const recordings = () => import("./targets/recordings.js");
const stateFiles = () => import("./targets/state-files.js");

/** Everything that reads bytes from outside, by name. */
export const targets: Readonly<Record<string, () => Promise<FuzzTarget>>> = {
	mqtt: async () => (await import("./targets/mqtt.js")).mqttTarget(),
	envelope: async () => (await envelope()).envelopeTarget(),
	chunks: async () => (await envelope()).chunksTarget(),
	deflate: async () => (await envelope()).deflateTarget(),
	twin: async () => (await envelope()).twinTarget(),
	artifact: async () => (await import("./targets/artifact.js")).artifactTarget(),
	onnx: async () => (await import("./targets/onnx.js")).onnxTarget(),
	npz: async () => (await dataFiles()).npzTarget(),
	idx: async () => (await dataFiles()).idxTarget(),
	image: async () => (await dataFiles()).imageTarget(),
	dicom: async () => (await dicom()).dicomTarget(),
	pdu: async () => (await dicom()).pduTarget(),
	wfdb: async () => (await recordings()).wfdbTarget(),
	edf: async () => (await recordings()).edfTarget(),
	csv: async () => (await recordings()).csvTarget(),
	config: async () => (await import("./targets/config.js")).configTarget(),
	store: async () => (await import("./targets/device-store.js")).storeTarget(),
	journal: async () => (await stateFiles()).journalTarget(),
	"log-entry": async () => (await documents()).logEntryTarget(),
	checkpoint: async () => (await stateFiles()).checkpointTarget(),
	trail: async () => (await documents()).trailTarget(),
	kit: async () => (await documents()).kitTarget(),
	request: async () => (await documents()).requestTarget(),
};
