//! message-search
