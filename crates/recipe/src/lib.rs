//! Declarative training recipes in RON: tricks applied, units resolved, contradictions refused
