//! Multi-task ranking models on candle: ShareBottom, MMoE, CGC and PLE.
