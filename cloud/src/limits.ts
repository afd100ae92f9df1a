const KiB = 1024;
const MiB = 1024 * KiB;

/** Every bound of broker and aggregator (docs/limits.md). What goes over one is refused, or waits. */
export const cloudLimits = {
	/** Longest MQTT payload taken from a device, bytes, unless set otherwise. */
	maxMessageBytes: 1_000_000,
	/** Bytes of an MQTT packet besides its payload: the longest topic, its length, the packet identifier. */
	packetOverheadBytes: 256,
	/** Longest MQTT packet other than PUBLISH, bytes: CONNECT with a last will. Also the longest topic, before rules see it. */
	maxControlBytes: 8 * KiB,
	/** Levels of a topic. */
	maxTopicLevels: 16,
	/** Longest payload on a status topic, bytes: it is retained. */
	maxStatusBytes: 1 * KiB,
	/** Open connections. */
	maxConnections: 16_384,
	/** Connections one address may open, each second on average and at once. */
	connectsPerSecond: 50,
	connectBurst: 1024,
	/** Addresses whose connections are counted; with more than these at a time, new ones wait. */
	watchedAddresses: 65_536,
	/** MQTT packets one connection may send, each second on average and at once; more than these end it. */
	packetsPerSecond: 2000,
	packetBurst: 5000,
	/** Messages one device may publish, each second on average and at once, over all of its connections; more than these end one. */
	messagesPerSecond: 1000,
	messageBurst: 5000,
	/** Client ids with a session: each may keep a subscription, a last will and a retained status. */
	maxSessions: 16_384,
	/** Milliseconds a connection may take until its CONNECT has arrived. */
	connectTimeoutMs: 10_000,
	/** Milliseconds a device's socket may stay full before it is disconnected. */
	drainTimeoutMs: 20_000,
	/** Bytes sent to a device that it has not acknowledged; the next message waits. One message always goes. */
	maxUnacknowledgedBytes: 4 * MiB,
	/** Milliseconds a device may take to acknowledge while the window is full before it is disconnected. */
	acknowledgeTimeoutMs: 20_000,
	/** Bytes of the log in memory that have not been released; the next append waits, and with it the device. */
	memoryLogBytes: 64 * MiB,
	/** Bytes of the file journal that have not been released; the next append waits, and with it the device. */
	journalBytes: 64 * 1024 * MiB,
	/** Length of a journal file from which the next one is begun, bytes. */
	journalSegmentBytes: 64 * MiB,
	/** Milliseconds between two fsyncs with `--fsync interval`: what a power failure may take. */
	journalSyncIntervalMs: 50,
	/** Milliseconds after which the aggregator tries a full disk again. */
	journalRetryMs: 1000,
	/** Longest entry of a log on NATS, bytes: half of NATS's own default for a message. Devices are told to cut their messages to it. */
	storeEntryBytes: 512 * KiB,
	/** Bytes of a run's record in one entry of the log; longer records are cut. */
	recordPartBytes: 256 * KiB,
	/** Bytes one reader of a log on NATS asks for at a time. */
	storeReadBytes: 4 * MiB,
	/** Bytes of a blob in one object of the store; a longer one is cut. */
	blobShardBytes: 256 * MiB,
	/** Milliseconds a blob may take to come or go. */
	blobTimeoutMs: 60_000,
	/** Milliseconds to the first connection with a store, and until its JetStream has a leader. */
	storeConnectMs: 5_000,
	storeStartMs: 20_000,
	/** Milliseconds one call to the store may take before it is made again, and the pause before that. */
	storeCallMs: 1_000,
	storeRetryMs: 100,
	/** Milliseconds between attempts to connect again, and between pings that notice a dead link. */
	storeReconnectMs: 250,
	storePingMs: 2_000,
	/** Milliseconds an ingress may take to hand a message on before the aggregator gives it up: the device asks again. */
	storeSendMs: 5_000,
	/** Milliseconds an aggregator has to be without a partition until one that has several gives it one. */
	shareIdleMs: 10_000,
	/** Milliseconds a partition waits for the others' copies before it merges without them, and between looks for them. */
	mergeTimeoutMs: 60_000,
	mergePollMs: 500,
	/** Milliseconds one attempt of that waits for an answer. */
	storeAnswerMs: 2_500,
	/** Milliseconds between two notices of who owns a partition. */
	ownerNoticeMs: 500,
	/** Milliseconds between two looks of a partition's owner at what changed of what the operations page shows, and until it writes everything anew. */
	boardMs: 1_000,
	boardRefreshMs: 15_000,
	/** Milliseconds after which a watch of a bucket of the store that heard nothing is begun anew. */
	keysQuietMs: 30_000,
	/** Rounds, devices of one entry of that, and the last steps in it. */
	boardPage: 200,
	boardSteps: 100,
	/** Milliseconds a partition's owner may take to answer an order, and the store where an operator asks for what lies there. */
	orderMs: 10_000,
	/** Milliseconds after which a lease nobody renews is free, between renewals, and between attempts of those who stand by. */
	leaseMs: 4_000,
	leaseRenewMs: 1_500,
	leasePollMs: 500,
	/** Checkpoints kept, the newest and those before it. */
	checkpointsKept: 3,
	/** Devices the aggregator knows at a time. */
	maxDevices: 16_384,
	/** Devices that left whose count of releases the aggregator still knows; those that left first are forgotten first. */
	releasesKept: 65_536,
	/** Samples of one training step of one device. */
	maxBatchSize: 4096,
	/** Bytes of smashed data under way or waiting for their step, in batches read to float32; beyond that devices wait for credit. */
	intakeBytes: 256 * MiB,
	/** Bytes of half-sent messages of all devices together. Beyond that the device that holds the most loses one, and sends it again. */
	partialBytes: 256 * MiB,
	/** Messages waiting to be sent to one device; further ones are dropped, and the device asks again. */
	maxOutgoing: 16,
	/** Answers kept for each device, to be sent again when it asks. Twice its window where that is more. */
	answersKept: 4,
	/** Messages of devices that are handled at a time, evaluations and requests for decisions above all; the log waits for a free place. */
	concurrentDecisions: 16,
	/** Milliseconds that the requests computed together are expected to take; and samples of them. */
	decisionRunMs: 10,
	decisionRunSamples: 64,
	/** Bytes of complete smashed data kept for fitting the masked prior. */
	reservoirBytes: 32 * MiB,
	/** Samples kept for fitting the masked prior. */
	reservoirSamples: 1024,
	/** Samples whose codes the aggregator keeps to train on; codes of further ones are refused. */
	maxCachedCodes: 1_000_000,
	/** Entries of the audit trail waiting for the disk; further ones are counted, and the next entry says how many. */
	trailEntriesWaiting: 10_000,
	/** Longest line of the audit trail, bytes. */
	trailLineBytes: 16 * KiB,
	/** Milliseconds after which the trail's head is signed anew, at the next entry. */
	trailHeadMs: 10_000,
	/** Refusals the trail tells one by one in a minute; the rest are counted. */
	trailRefusalsPerMinute: 600,
	/** Connections at a time to the port for metrics and health, and milliseconds a request may take to arrive. */
	operationsConnections: 32,
	operationsTimeoutMs: 5_000,
	/** Spans that wait for the collector; further ones are dropped. */
	tracesWaiting: 2048,
	/** Milliseconds the collector may take for some of them; at its end the cloud waits no longer either. */
	traceExportMs: 5_000,
	/** Connections at a time to the port of the operations page. */
	pageConnections: 256,
	/** Longest body of a request to the HTTP API, bytes. */
	apiBodyBytes: 16 * KiB,
	/** Readers of events at a time, and milliseconds between two signs of life to them. */
	eventStreams: 64,
	eventTickMs: 15_000,
	/** Rounds and the last optimiser steps that the page shows. */
	roundsShown: 10_000,
	stepsShown: 500,
	/** Bytes at the end of the file of rounds that are read after a restart. */
	roundFileBytes: 16 * MiB,
	/** Entries of the audit trail that the page shows. */
	trailEntriesShown: 500,
	/** Longest file of an audit that the page shows, bytes. */
	auditFileBytes: 32 * MiB,
	/** Users, and open invitations. */
	maxUsers: 100,
	/** Milliseconds a one-time link can be used. */
	invitationMs: 24 * 3_600_000,
	/** Shortest and longest password, characters. */
	passwordCharacters: 12,
	passwordLongest: 256,
	/** Passwords hashed at a time; further ones are refused for the moment. Half of the threads that also write the log. */
	passwordsAtOnce: 2,
	/** Attempts to log in from one address, or by one name, at once and each minute on average. */
	logInBurst: 10,
	logInsPerMinute: 6,
	/** Open sessions; the oldest gives way. */
	operationsSessions: 256,
	/** Milliseconds a session lasts, and lasts without a request. */
	sessionMs: 12 * 3_600_000,
	sessionIdleMs: 2 * 3_600_000,
	/** Progress events waiting for one reader; beyond that the oldest step events are dropped. */
	eventBuffer: 1024,
} as const;
