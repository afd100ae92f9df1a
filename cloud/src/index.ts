export { Aggregator } from "./aggregator/aggregator.js";
export type { AggregatorCounts, AggregatorOptions, AggregatorResult } from "./aggregator/aggregator-options.js";
export { AnswerCache } from "./aggregator/answer-cache.js";
export { type Weighted, weightedAverage } from "./aggregator/averaging.js";
export { balancedClassWeights } from "./aggregator/balanced-class-weights.js";
export { type AuditResult, BatchAudit } from "./aggregator/batch-audit.js";
export { bestRound, type ValidatedRound } from "./aggregator/best-round.js";
export { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./aggregator/checkpoint.js";
export { Credits, type Grant } from "./aggregator/credits.js";
export { Downlink } from "./aggregator/downlink.js";
export { EventBuffer } from "./aggregator/event-buffer.js";
export type { AggregatorEvent, EndReason, RoundReport, Traffic, Validation } from "./aggregator/events.js";
export { type LearningRateSchedule, learningRateShare } from "./aggregator/learning-rate-schedule.js";
export { type BatchIdentity, Ledger, type LedgerCounts, type Verdict } from "./aggregator/ledger.js";
export { legsOf, type Share } from "./aggregator/legs.js";
export { findOutliers, type Outlier, outlierLimits } from "./aggregator/outlier-guard.js";
export type { MergePlace, PartitionExchange } from "./aggregator/partition-merge.js";
export { Reservoir, reservoirFor } from "./aggregator/reservoir.js";
export {
	type AveragingMethod,
	averagingMethods,
	type ClientPart,
	combineClients,
	maliciousShare,
} from "./aggregator/robust-averaging.js";
export { Roster, type RosterDevice } from "./aggregator/roster.js";
export { artifactDigest } from "./aggregator/run-identity.js";
export { decodeRecord, encodeRecordEntries, RecordReader, type RunRecord } from "./aggregator/run-record.js";
export { openRolloutDesk } from "./aggregator/served-release.js";
export { type AggregatorSettings, type ResolvedSettings, resolveSettings } from "./aggregator/settings.js";
export { type GuardedBatch, SmashedGuard, smashedGuardLimits } from "./aggregator/smashed-guard.js";
export { averagesWeights, extendAverage, type WeightAverage } from "./aggregator/weight-average.js";
export { pngOf } from "./audit-report/png.js";
export type { BlobInfo, BlobOptions, BlobStore, PutOptions } from "./blobs/blob-store.js";
export { openFolderBlobStore } from "./blobs/folder-blob-store.js";
export { createMemoryBlobStore } from "./blobs/memory-blob-store.js";
export { type Broker, type BrokerEvent, type BrokerOptions, startBroker } from "./broker/broker.js";
export { ByteGuard, type ByteGuardOptions } from "./broker/byte-guard.js";
export { connectExternalBroker, type ExternalBroker, type ExternalBrokerOptions } from "./broker/external-broker.js";
export { type AccessRules, MqttServer, type MqttServerOptions } from "./broker/mqtt-server.js";
export { SendWindow } from "./broker/send-window.js";
export type { BrokerTls } from "./broker/tls.js";
export { type Rate, TokenBucket, TokenBuckets } from "./broker/token-bucket.js";
export {
	isDeviceId,
	mayLeaveWill,
	maySubscribe,
	type UplinkChannel,
	uplinkChannel,
} from "./broker/topic-rules.js";
export { readConfigSection } from "./cli/options/config-file.js";
export { useRoomyHeap } from "./cli/roomy-heap.js";
export { verbs } from "./cli/verbs.js";
export { writeAtomically } from "./files/write-atomically.js";
export { type RealScenarioOptions, runRealScenario } from "./fleet/run-real-scenario.js";
export { type ScenarioRunOptions, simulateScenario } from "./fleet/simulate-scenario.js";
export { fleetReport } from "./fleet-report/fleet-report.js";
export { createFileLeases, type FileLeasesOptions } from "./lease/file-leases.js";
export type { AcquireOptions, Lease, Leases } from "./lease/lease.js";
export { createMemoryLeases } from "./lease/memory-leases.js";
export { cloudLimits } from "./limits.js";
export { decodeEntry, encodeEntry, type PublishedEntry } from "./log/entry.js";
export type { FileJournal, FileJournalOptions, Fsync } from "./log/file-journal.js";
export type { TornTail } from "./log/journal-segments.js";
export type { Log, LogAppendOptions, LogEntry, LogInlet, LogWaitOptions } from "./log/log.js";
export { createMemoryLog, type MemoryLogOptions } from "./log/memory-log.js";
export { openFileJournal } from "./log/open-file-journal.js";
export { Sessions } from "./operations/access/sessions.js";
export { UserFolder } from "./operations/access/user-folder.js";
export { AuditFiles } from "./operations/board/audit-files.js";
export { RoundFile } from "./operations/board/round-file.js";
export type { RoundFigures } from "./operations/board/run-board.js";
export { certifiedName } from "./operations/certified-name.js";
export { CloudMetrics, type MetricDescription } from "./operations/cloud-metrics.js";
export { Operations, type OperationsOptions } from "./operations/operations.js";
export { OperationsLog, type OperationsLogOptions } from "./operations/operations-log.js";
export { OperationsPage, type OperationsPageOptions } from "./operations/operations-page.js";
export type { ServerCertificate } from "./operations/operations-server.js";
export { exportTraces, type TraceExportOptions } from "./operations/trace-export.js";
export {
	type AuthorityOptions,
	CertificateAuthority,
	type DeviceCredentials,
	type IssuedCertificate,
	type NewAuthorityOptions,
} from "./provision/authority.js";
export { newRequest } from "./provision/certificate-request.js";
export { type Candidate, Rollout, type RolloutOptions } from "./rollout/rollout.js";
export { RolloutFolder } from "./rollout/rollout-folder.js";
export { isInGroup } from "./rollout/rollout-group.js";
export { rolloutLimits } from "./rollout/rollout-limits.js";
export type { RolloutFacts } from "./rollout/rollout-state.js";
export type { RolloutCause, RolloutStatus } from "./rollout/rollout-status.js";
export type { KeptFacts, RolloutStore } from "./rollout/rollout-store.js";
export { type BlobCheckpointsOptions, blobCheckpoints } from "./scale/blob-checkpoints.js";
export { type ExternalIngressOptions, startExternalIngress } from "./scale/external-ingress.js";
export { type Ingress, type IngressOptions, startIngress } from "./scale/ingress.js";
export { mergeRounds } from "./scale/merge-rounds.js";
export type { OwnPartitionOptions } from "./scale/own-partition.js";
export { type OwnPartitionsOptions, ownPartitions } from "./scale/own-partitions.js";
export { giveOrder, type PartitionOrder } from "./scale/partition-orders.js";
export { partitionOf } from "./scale/partitions.js";
export { RunStore, type RunStoreOptions } from "./scale/run-store.js";
export { StoreDownlink } from "./scale/store-downlink.js";
export { StoreExchange, type StoreExchangeOptions } from "./scale/store-exchange.js";
export { StoreView } from "./scale/store-view.js";
export { type FollowKeysOptions, followKeys } from "./store/follow-keys.js";
export { type JetStreamBlobStoreOptions, openJetStreamBlobStore } from "./store/jetstream-blob-store.js";
export { type JetStreamLeasesOptions, openJetStreamLeases } from "./store/jetstream-leases.js";
export { type JetStreamLogOptions, openJetStreamLog } from "./store/jetstream-log.js";
export { type JetStreamRolloutsOptions, openJetStreamRollouts } from "./store/jetstream-rollouts.js";
export { type JetStreamTwinsOptions, openJetStreamTwins } from "./store/jetstream-twins.js";
export { NatsLink, type NatsLinkOptions, storeFeatures } from "./store/nats-link.js";
export { AuditTrail, type TrailFiles, trailFiles } from "./trail/audit-trail.js";
export { RunRecorder } from "./trail/run-recorder.js";
export type { TrailDetails } from "./trail/trail-line.js";
export { type TrailReport, verifyTrail } from "./trail/verify-trail.js";
export { TwinFolder } from "./twins/twin-folder.js";
export type { DesiredTwin, ReportedTwin, Twin, TwinStore } from "./twins/twin-store.js";
