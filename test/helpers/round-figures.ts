/** What `rounds.ndjson` tells of a round, but for its number, with every loss left out. */
export const roundFigures = {
	at: "2026-01-01T00:00:00.000Z",
	losses: {},
	localLoss: null,
	validation: {},
	best: false,
	learningRate: 0.001,
	model: 1,
	samples: 48,
	steps: 8,
	seconds: 1.5,
	devicesTrained: 3,
	bytesUp: 10,
	bytesDown: 20,
};
