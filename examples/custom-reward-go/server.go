// A reward server in Go: the shorter the response, the better.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	pb "operant/v1"
)

type shortReward struct {
	pb.UnimplementedRewardServiceServer
}

func (shortReward) GetInfo(context.Context, *pb.GetInfoRequest) (
	*pb.GetInfoResponse, error) {
	return &pb.GetInfoResponse{
		Name:          "short",
		Version:       "1",
		ApiLevel:      1,
		Needs:         []pb.GetInfoResponse_Need{pb.GetInfoResponse_TEXT},
		Deterministic: true,
	}, nil
}

func (shortReward) Score(_ context.Context, request *pb.ScoreRequest) (
	*pb.ScoreResponse, error) {
	response := &pb.ScoreResponse{RequestId: request.RequestId}
	for _, item := range request.Items {
		score := -1e-3 * float64(len(item.Response))
		response.Results = append(response.Results, &pb.ScoreResult{
			Id:      item.Id,
			Outcome: &pb.ScoreResult_Score{Score: score},
		})
	}
	return response, nil
}

func main() {
	address := "127.0.0.1:50061"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterRewardServiceServer(server, shortReward{})
	fmt.Printf("reward server on port %d\n",
		listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(server.Serve(listener))
}
