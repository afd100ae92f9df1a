export { DicomImage, type DicomProvenance, type DicomSampleOptions } from "./dicom-image.js";
export { dicomLimits } from "./dicom-limits.js";
export { DicomReceiver, type DicomReceiverOptions } from "./dicom-receiver.js";
export type { VoiWindow } from "./grey-levels.js";
export { PduGuard } from "./pdu-guard.js";
export type { PixelFormat, StoredValues } from "./pixel-format.js";
export { isDicomFile, type ReadDicomOptions, readDicom } from "./read-dicom.js";
export { receiverLimits } from "./receiver-limits.js";
export { type PixelCodec, type TransferSyntax, transferSyntaxes } from "./transfer-syntaxes.js";
