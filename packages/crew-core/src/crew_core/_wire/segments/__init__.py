"""Large buffers between processes of one computer: files in memory that both ends can map."""
