//! Keys, certificates and the signed envelope that carries everything a gate obeys.
